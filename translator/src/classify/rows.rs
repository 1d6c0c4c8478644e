//! The rows of the table, in the order of the manual (SDM volume 1, chapter 5).

use super::treatment::{Rewrite, Treatment};
use Code as C;
use Mnemonic as M;
use Treatment::{Callout, Innocuous, Rewritten};
use iced_x86::{Code, Mnemonic};

/// Mnemonics whose forms are innocuous unless [`FORMS`] says otherwise, by family. (The decoder
/// yields FSTCW, FINIT and their like as WAIT and the FN form.)
#[rustfmt::skip]
pub(super) const INNOCUOUS: &[&[Mnemonic]] = &[
    // Data transfer
    &[
        M::Cmova, M::Cmovae, M::Cmovb, M::Cmovbe, M::Cmove, M::Cmovg, M::Cmovge, M::Cmovl,
        M::Cmovle, M::Cmovne, M::Cmovno, M::Cmovnp, M::Cmovns, M::Cmovo, M::Cmovp, M::Cmovs,
        M::Movbe, M::Xadd, M::Cmpxchg, M::Cmpxchg8b, M::Cwd, M::Cdq, M::Cbw, M::Cwde, M::Movsx, M::Movzx,
    ],
    // Binary arithmetic
    &[
        M::Add, M::Adc, M::Sub, M::Sbb, M::Imul, M::Mul, M::Idiv, M::Div, M::Inc, M::Dec, M::Neg,
        M::Cmp, M::Adcx, M::Adox,
    ],
    // Logical
    &[M::And, M::Or, M::Xor, M::Not],
    // Shift and rotate
    &[
        M::Sar, M::Shr, M::Sal, M::Shl, M::Shrd, M::Shld, M::Ror, M::Rol, M::Rcr, M::Rcl,
    ],
    // Bit and byte
    &[
        M::Bt, M::Bts, M::Btr, M::Btc, M::Bsf, M::Bsr, M::Seta, M::Setae, M::Setb, M::Setbe,
        M::Sete, M::Setg, M::Setge, M::Setl, M::Setle, M::Setne, M::Setno, M::Setnp, M::Setns,
        M::Seto, M::Setp, M::Sets, M::Test, M::Tzcnt, M::Lzcnt, M::Popcnt, M::Crc32,
    ],
    // Flag control
    &[
        M::Stc, M::Clc, M::Cmc, M::Cld, M::Std, M::Lahf, M::Sahf,
    ],
    // Miscellaneous
    &[M::Xlatb, M::Pause, M::Clflush],
    // x87 data transfer
    &[
        M::Fld, M::Fst, M::Fstp, M::Fild, M::Fist, M::Fistp, M::Fbld, M::Fbstp, M::Fxch, M::Fcmove,
        M::Fcmovne, M::Fcmovb, M::Fcmovbe, M::Fcmovnb, M::Fcmovnbe, M::Fcmovu, M::Fcmovnu,
    ],
    // x87 basic arithmetic
    &[
        M::Fadd, M::Faddp, M::Fiadd, M::Fsub, M::Fsubp, M::Fisub, M::Fsubr, M::Fsubrp, M::Fisubr,
        M::Fmul, M::Fmulp, M::Fimul, M::Fdiv, M::Fdivp, M::Fidiv, M::Fdivr, M::Fdivrp, M::Fidivr,
        M::Fprem, M::Fprem1, M::Fabs, M::Fchs, M::Frndint, M::Fscale, M::Fsqrt, M::Fxtract,
    ],
    // x87 comparison
    &[
        M::Fcom, M::Fcomp, M::Fcompp, M::Fucom, M::Fucomp, M::Fucompp, M::Ficom, M::Ficomp,
        M::Fcomi, M::Fucomi, M::Fcomip, M::Fucomip, M::Ftst, M::Fxam,
    ],
    // x87 transcendental
    &[
        M::Fsin, M::Fcos, M::Fsincos, M::Fptan, M::Fpatan, M::F2xm1, M::Fyl2x, M::Fyl2xp1,
    ],
    // x87 constants
    &[
        M::Fld1, M::Fldz, M::Fldpi, M::Fldl2e, M::Fldln2, M::Fldl2t, M::Fldlg2,
    ],
    // Not here: FSAVE, FSTENV and their like, which would show the host's instruction pointers;
    // FNINIT, which clears the guest's; FNCLEX, before which those of an exception must be looked at.
    // x87 control
    &[
        M::Fincstp, M::Fdecstp, M::Ffree, M::Fnstcw, M::Fldcw, M::Fnstsw,
        M::Wait, M::Fnop,
    ],
    // MMX
    &[
        M::Movd, M::Movq, M::Packsswb, M::Packssdw, M::Packuswb, M::Punpckhbw, M::Punpckhwd,
        M::Punpckhdq, M::Punpcklbw, M::Punpcklwd, M::Punpckldq, M::Paddb, M::Paddw, M::Paddd,
        M::Paddsb, M::Paddsw, M::Paddusb, M::Paddusw, M::Psubb, M::Psubw, M::Psubd, M::Psubsb,
        M::Psubsw, M::Psubusb, M::Psubusw, M::Pmulhw, M::Pmullw, M::Pmaddwd, M::Pcmpeqb,
        M::Pcmpeqw, M::Pcmpeqd, M::Pcmpgtb, M::Pcmpgtw, M::Pcmpgtd, M::Pand, M::Pandn, M::Por,
        M::Pxor, M::Psllw, M::Pslld, M::Psllq, M::Psrlw, M::Psrld, M::Psrlq, M::Psraw, M::Psrad,
        M::Emms,
    ],
    // Not here: MASKMOVQ, which stores through DS:EDI; LDMXCSR, whose reserved bits differ by host.
    // SSE
    &[
        M::Movaps, M::Movups, M::Movhps, M::Movhlps, M::Movlps, M::Movlhps, M::Movmskps, M::Movss,
        M::Addps, M::Addss, M::Subps, M::Subss, M::Mulps, M::Mulss, M::Divps, M::Divss, M::Rcpps,
        M::Rcpss, M::Sqrtps, M::Sqrtss, M::Rsqrtps, M::Rsqrtss, M::Maxps, M::Maxss, M::Minps,
        M::Minss, M::Cmpps, M::Cmpss, M::Comiss, M::Ucomiss, M::Andps, M::Andnps, M::Orps,
        M::Xorps, M::Shufps, M::Unpckhps, M::Unpcklps, M::Cvtpi2ps, M::Cvtsi2ss, M::Cvtps2pi,
        M::Cvttps2pi, M::Cvtss2si, M::Cvttss2si, M::Stmxcsr, M::Pavgb, M::Pavgw,
        M::Pextrw, M::Pinsrw, M::Pmaxub, M::Pmaxsw, M::Pminub, M::Pminsw, M::Pmovmskb, M::Pmulhuw,
        M::Psadbw, M::Pshufw, M::Movntq, M::Movntps, M::Prefetchnta, M::Prefetcht0,
        M::Prefetcht1, M::Prefetcht2, M::Sfence,
    ],
    // Not here: MASKMOVDQU, which stores through DS:EDI.
    // SSE2
    &[
        M::Movapd, M::Movupd, M::Movhpd, M::Movlpd, M::Movmskpd, M::Movsd, M::Addpd, M::Addsd,
        M::Subpd, M::Subsd, M::Mulpd, M::Mulsd, M::Divpd, M::Divsd, M::Sqrtpd, M::Sqrtsd,
        M::Maxpd, M::Maxsd, M::Minpd, M::Minsd, M::Andpd, M::Andnpd, M::Orpd, M::Xorpd, M::Cmppd,
        M::Cmpsd, M::Comisd, M::Ucomisd, M::Shufpd, M::Unpckhpd, M::Unpcklpd, M::Cvtpd2pi,
        M::Cvttpd2pi, M::Cvtpi2pd, M::Cvtpd2dq, M::Cvttpd2dq, M::Cvtdq2pd, M::Cvtps2pd,
        M::Cvtpd2ps, M::Cvtss2sd, M::Cvtsd2ss, M::Cvtsd2si, M::Cvttsd2si, M::Cvtsi2sd,
        M::Cvtdq2ps, M::Cvtps2dq, M::Cvttps2dq, M::Movdqa, M::Movdqu, M::Movq2dq, M::Movdq2q,
        M::Pmuludq, M::Paddq, M::Psubq, M::Pshuflw, M::Pshufhw, M::Pshufd, M::Pslldq, M::Psrldq,
        M::Punpckhqdq, M::Punpcklqdq, M::Lfence, M::Mfence, M::Movntpd, M::Movntdq, M::Movnti,
    ],
    // SSE3
    &[
        M::Addsubpd, M::Addsubps, M::Fisttp, M::Haddpd, M::Haddps, M::Hsubpd, M::Hsubps, M::Lddqu,
        M::Movddup, M::Movshdup, M::Movsldup,
    ],
    // SSSE3
    &[
        M::Pabsb, M::Pabsw, M::Pabsd, M::Palignr, M::Phaddw, M::Phaddd, M::Phaddsw, M::Phsubw,
        M::Phsubd, M::Phsubsw, M::Pmaddubsw, M::Pmulhrsw, M::Pshufb, M::Psignb, M::Psignw,
        M::Psignd,
    ],
    // SSE4.1
    &[
        M::Blendpd, M::Blendps, M::Blendvpd, M::Blendvps, M::Dppd, M::Dpps, M::Extractps,
        M::Insertps, M::Movntdqa, M::Mpsadbw, M::Packusdw, M::Pblendvb, M::Pblendw, M::Pcmpeqq,
        M::Pextrb, M::Pextrd, M::Phminposuw, M::Pinsrb, M::Pinsrd, M::Pmaxsb, M::Pmaxsd,
        M::Pmaxud, M::Pmaxuw, M::Pminsb, M::Pminsd, M::Pminud, M::Pminuw, M::Pmovsxbw, M::Pmovsxbd,
        M::Pmovsxbq, M::Pmovsxwd, M::Pmovsxwq, M::Pmovsxdq, M::Pmovzxbw, M::Pmovzxbd, M::Pmovzxbq,
        M::Pmovzxwd, M::Pmovzxwq, M::Pmovzxdq, M::Pmuldq, M::Pmulld, M::Ptest, M::Roundpd,
        M::Roundps, M::Roundsd, M::Roundss,
    ],
    // SSE4.2
    &[
        M::Pcmpestri, M::Pcmpestrm, M::Pcmpistri, M::Pcmpistrm, M::Pcmpgtq,
    ],
    // AES and PCLMULQDQ
    &[
        M::Aesdec, M::Aesdeclast, M::Aesenc, M::Aesenclast, M::Aesimc, M::Aeskeygenassist,
        M::Pclmulqdq,
    ],
    // SHA
    &[
        M::Sha1msg1, M::Sha1msg2, M::Sha1nexte, M::Sha1rnds4, M::Sha256msg1, M::Sha256msg2,
        M::Sha256rnds2,
    ],
];

/// The same of those with a VEX prefix, which real and V86 mode do not know.
#[rustfmt::skip]
pub(super) const VEX: &[&[Mnemonic]] = &[
    // BMI1 and BMI2
    &[
        M::Andn, M::Bextr, M::Blsi, M::Blsmsk, M::Blsr, M::Bzhi, M::Mulx, M::Pdep, M::Pext, M::Rorx,
        M::Sarx, M::Shlx, M::Shrx,
    ],
    // Not here: masked moves and gathers, whose elements are accessed by themselves; VLDMXCSR, as LDMXCSR.
    // AVX
    &[
        M::Vmovups, M::Vmovupd, M::Vmovss, M::Vmovsd, M::Vmovhlps, M::Vmovlps, M::Vmovlpd,
        M::Vmovsldup, M::Vmovddup, M::Vunpcklps, M::Vunpcklpd, M::Vunpckhps, M::Vunpckhpd,
        M::Vmovlhps, M::Vmovhps, M::Vmovhpd, M::Vmovshdup, M::Vmovaps, M::Vmovapd, M::Vcvtsi2ss,
        M::Vcvtsi2sd, M::Vmovntps, M::Vmovntpd, M::Vcvttss2si, M::Vcvttsd2si, M::Vcvtss2si,
        M::Vcvtsd2si, M::Vucomiss, M::Vucomisd, M::Vcomiss, M::Vcomisd, M::Vmovmskps, M::Vmovmskpd,
        M::Vsqrtps, M::Vsqrtpd, M::Vsqrtss, M::Vsqrtsd, M::Vrsqrtps, M::Vrsqrtss, M::Vrcpps,
        M::Vrcpss, M::Vandps, M::Vandpd, M::Vandnps, M::Vandnpd, M::Vorps, M::Vorpd, M::Vxorps,
        M::Vxorpd, M::Vaddps, M::Vaddpd, M::Vaddss, M::Vaddsd, M::Vmulps, M::Vmulpd, M::Vmulss,
        M::Vmulsd, M::Vcvtps2pd, M::Vcvtpd2ps, M::Vcvtss2sd, M::Vcvtsd2ss, M::Vcvtdq2ps,
        M::Vcvtps2dq, M::Vcvttps2dq, M::Vsubps, M::Vsubpd, M::Vsubss, M::Vsubsd, M::Vminps,
        M::Vminpd, M::Vminss, M::Vminsd, M::Vdivps, M::Vdivpd, M::Vdivss, M::Vdivsd, M::Vmaxps,
        M::Vmaxpd, M::Vmaxss, M::Vmaxsd, M::Vpunpcklbw, M::Vpunpcklwd, M::Vpunpckldq, M::Vpacksswb,
        M::Vpcmpgtb, M::Vpcmpgtw, M::Vpcmpgtd, M::Vpackuswb, M::Vpunpckhbw, M::Vpunpckhwd,
        M::Vpunpckhdq, M::Vpackssdw, M::Vpunpcklqdq, M::Vpunpckhqdq, M::Vmovd, M::Vmovdqa,
        M::Vmovdqu, M::Vpshufd, M::Vpshufhw, M::Vpshuflw, M::Vpsrlw, M::Vpsraw, M::Vpsllw,
        M::Vpsrld, M::Vpsrad, M::Vpslld, M::Vpsrlq, M::Vpsrldq, M::Vpsllq, M::Vpslldq, M::Vpcmpeqb,
        M::Vpcmpeqw, M::Vpcmpeqd, M::Vzeroupper, M::Vzeroall, M::Vhaddpd, M::Vhaddps, M::Vhsubpd,
        M::Vhsubps, M::Vmovq, M::Vstmxcsr, M::Vcmpps, M::Vcmppd, M::Vcmpss, M::Vcmpsd, M::Vpinsrw,
        M::Vpextrw, M::Vshufps, M::Vshufpd, M::Vaddsubpd, M::Vaddsubps, M::Vpaddq, M::Vpmullw,
        M::Vpmovmskb, M::Vpsubusb, M::Vpsubusw, M::Vpminub, M::Vpand, M::Vpaddusb, M::Vpaddusw,
        M::Vpmaxub, M::Vpandn, M::Vpavgb, M::Vpavgw, M::Vpmulhuw, M::Vpmulhw, M::Vcvttpd2dq,
        M::Vcvtdq2pd, M::Vcvtpd2dq, M::Vmovntdq, M::Vpsubsb, M::Vpsubsw, M::Vpminsw, M::Vpor,
        M::Vpaddsb, M::Vpaddsw, M::Vpmaxsw, M::Vpxor, M::Vlddqu, M::Vpmuludq, M::Vpmaddwd,
        M::Vpsadbw, M::Vpsubb, M::Vpsubw, M::Vpsubd, M::Vpsubq, M::Vpaddb, M::Vpaddw, M::Vpaddd,
        M::Vpshufb, M::Vphaddw, M::Vphaddd, M::Vphaddsw, M::Vpmaddubsw, M::Vphsubw, M::Vphsubd,
        M::Vphsubsw, M::Vpsignb, M::Vpsignw, M::Vpsignd, M::Vpmulhrsw, M::Vpermilps, M::Vpermilpd,
        M::Vtestps, M::Vtestpd, M::Vptest, M::Vbroadcastss, M::Vbroadcastsd, M::Vbroadcastf128,
        M::Vpabsb, M::Vpabsw, M::Vpabsd, M::Vpmovsxbw, M::Vpmovsxbd, M::Vpmovsxbq, M::Vpmovsxwd,
        M::Vpmovsxwq, M::Vpmovsxdq, M::Vpmuldq, M::Vpcmpeqq, M::Vmovntdqa, M::Vpackusdw,
        M::Vpmovzxbw, M::Vpmovzxbd, M::Vpmovzxbq, M::Vpmovzxwd, M::Vpmovzxwq, M::Vpmovzxdq,
        M::Vpcmpgtq, M::Vpminsb, M::Vpminsd, M::Vpminuw, M::Vpminud, M::Vpmaxsb, M::Vpmaxsd,
        M::Vpmaxuw, M::Vpmaxud, M::Vpmulld, M::Vphminposuw, M::Vaesimc, M::Vaesenc, M::Vaesenclast,
        M::Vaesdec, M::Vaesdeclast, M::Vperm2f128, M::Vroundps, M::Vroundpd, M::Vroundss,
        M::Vroundsd, M::Vblendps, M::Vblendpd, M::Vpblendw, M::Vpalignr, M::Vpextrb, M::Vpextrd,
        M::Vextractps, M::Vinsertf128, M::Vextractf128, M::Vpinsrb, M::Vinsertps, M::Vpinsrd,
        M::Vdpps, M::Vdppd, M::Vmpsadbw, M::Vpclmulqdq, M::Vblendvps, M::Vblendvpd, M::Vpblendvb,
        M::Vpcmpestrm, M::Vpcmpestri, M::Vpcmpistrm, M::Vpcmpistri, M::Vaeskeygenassist,
    ],
    // AVX2
    &[
        M::Vpermps, M::Vpermd, M::Vpsrlvd, M::Vpsrlvq, M::Vpsravd, M::Vpsllvd, M::Vpsllvq,
        M::Vpbroadcastd, M::Vpbroadcastq, M::Vbroadcasti128, M::Vpbroadcastb, M::Vpbroadcastw,
        M::Vpermq, M::Vpermpd, M::Vpblendd, M::Vinserti128, M::Vextracti128, M::Vperm2i128,
    ],
    // F16C
    &[
        M::Vcvtph2ps, M::Vcvtps2ph,
    ],
    // FMA
    &[
        M::Vfmaddsub132ps, M::Vfmaddsub132pd, M::Vfmsubadd132ps, M::Vfmsubadd132pd, M::Vfmadd132ps,
        M::Vfmadd132pd, M::Vfmadd132ss, M::Vfmadd132sd, M::Vfmsub132ps, M::Vfmsub132pd,
        M::Vfmsub132ss, M::Vfmsub132sd, M::Vfnmadd132ps, M::Vfnmadd132pd, M::Vfnmadd132ss,
        M::Vfnmadd132sd, M::Vfnmsub132ps, M::Vfnmsub132pd, M::Vfnmsub132ss, M::Vfnmsub132sd,
        M::Vfmaddsub213ps, M::Vfmaddsub213pd, M::Vfmsubadd213ps, M::Vfmsubadd213pd, M::Vfmadd213ps,
        M::Vfmadd213pd, M::Vfmadd213ss, M::Vfmadd213sd, M::Vfmsub213ps, M::Vfmsub213pd,
        M::Vfmsub213ss, M::Vfmsub213sd, M::Vfnmadd213ps, M::Vfnmadd213pd, M::Vfnmadd213ss,
        M::Vfnmadd213sd, M::Vfnmsub213ps, M::Vfnmsub213pd, M::Vfnmsub213ss, M::Vfnmsub213sd,
        M::Vfmaddsub231ps, M::Vfmaddsub231pd, M::Vfmsubadd231ps, M::Vfmsubadd231pd, M::Vfmadd231ps,
        M::Vfmadd231pd, M::Vfmadd231ss, M::Vfmadd231sd, M::Vfmsub231ps, M::Vfmsub231pd,
        M::Vfmsub231ss, M::Vfmsub231sd, M::Vfnmadd231ps, M::Vfnmadd231pd, M::Vfnmadd231ss,
        M::Vfnmadd231sd, M::Vfnmsub231ps, M::Vfnmsub231pd, M::Vfnmsub231ss, M::Vfnmsub231sd,
    ],
];

/// Forms with a treatment of their own; they go before [`INNOCUOUS`].
#[rustfmt::skip]
pub(super) const FORMS: &[(Treatment, &[Code])] = &[
    (Innocuous, &[
        C::Mov_rm8_r8, C::Mov_rm16_r16, C::Mov_rm32_r32, C::Mov_r8_rm8, C::Mov_r16_rm16,
        C::Mov_r32_rm32, C::Mov_r8_imm8, C::Mov_r16_imm16, C::Mov_r32_imm32, C::Mov_rm8_imm8,
        C::Mov_rm16_imm16, C::Mov_rm32_imm32, C::Xchg_r16_AX, C::Xchg_r32_EAX, C::Bswap_r32,
    ]),
    (Rewritten(Rewrite::OtherForm), &[
        C::Inc_r16, C::Inc_r32, C::Dec_r16, C::Dec_r32,
        C::Mov_AL_moffs8, C::Mov_AX_moffs16, C::Mov_EAX_moffs32,
        C::Mov_moffs8_AL, C::Mov_moffs16_AX, C::Mov_moffs32_EAX,
        C::Add_rm8_imm8_82, C::Or_rm8_imm8_82, C::Adc_rm8_imm8_82, C::Sbb_rm8_imm8_82,
        C::And_rm8_imm8_82, C::Sub_rm8_imm8_82, C::Xor_rm8_imm8_82, C::Cmp_rm8_imm8_82,
    ]),
    (Rewritten(Rewrite::Lea), &[C::Lea_r16_m, C::Lea_r32_m]),
    (Rewritten(Rewrite::Nothing), &[C::Nopw, C::Nopd, C::Nop_rm16, C::Nop_rm32, C::Endbr32]),
    (Rewritten(Rewrite::Exchange), &[C::Xchg_rm8_r8, C::Xchg_rm16_r16, C::Xchg_rm32_r32]),
    (Rewritten(Rewrite::Push), &[
        C::Push_r32, C::Push_rm32, C::Pushd_imm32, C::Pushd_imm8,
        C::Push_r16, C::Push_rm16, C::Push_imm16, C::Pushw_imm8,
    ]),
    (Rewritten(Rewrite::PushSegment), &[
        C::Pushd_ES, C::Pushd_CS, C::Pushd_SS, C::Pushd_DS, C::Pushd_FS, C::Pushd_GS,
        C::Pushw_ES, C::Pushw_CS, C::Pushw_SS, C::Pushw_DS, C::Pushw_FS, C::Pushw_GS,
    ]),
    (Rewritten(Rewrite::Pop), &[C::Pop_r32, C::Pop_rm32, C::Pop_r16, C::Pop_rm16]),
    (Rewritten(Rewrite::PushAll), &[C::Pushad, C::Pushaw]),
    (Rewritten(Rewrite::PopAll), &[C::Popad, C::Popaw]),
    (Rewritten(Rewrite::Leave), &[C::Leaved, C::Leavew]),
    (Rewritten(Rewrite::Jump), &[
        C::Jmp_rel8_32, C::Jmp_rel32_32, C::Jmp_rel8_16, C::Jmp_rel16,
    ]),
    (Rewritten(Rewrite::JumpIndirect), &[C::Jmp_rm32, C::Jmp_rm16]),
    (Rewritten(Rewrite::JumpIf), &[
        C::Jo_rel8_32, C::Jno_rel8_32, C::Jb_rel8_32, C::Jae_rel8_32, C::Je_rel8_32,
        C::Jne_rel8_32, C::Jbe_rel8_32, C::Ja_rel8_32, C::Js_rel8_32, C::Jns_rel8_32,
        C::Jp_rel8_32, C::Jnp_rel8_32, C::Jl_rel8_32, C::Jge_rel8_32, C::Jle_rel8_32,
        C::Jg_rel8_32, C::Jo_rel32_32, C::Jno_rel32_32, C::Jb_rel32_32, C::Jae_rel32_32,
        C::Je_rel32_32, C::Jne_rel32_32, C::Jbe_rel32_32, C::Ja_rel32_32, C::Js_rel32_32,
        C::Jns_rel32_32, C::Jp_rel32_32, C::Jnp_rel32_32, C::Jl_rel32_32, C::Jge_rel32_32,
        C::Jle_rel32_32, C::Jg_rel32_32,
        C::Jo_rel8_16, C::Jno_rel8_16, C::Jb_rel8_16, C::Jae_rel8_16, C::Je_rel8_16,
        C::Jne_rel8_16, C::Jbe_rel8_16, C::Ja_rel8_16, C::Js_rel8_16, C::Jns_rel8_16,
        C::Jp_rel8_16, C::Jnp_rel8_16, C::Jl_rel8_16, C::Jge_rel8_16, C::Jle_rel8_16,
        C::Jg_rel8_16, C::Jo_rel16, C::Jno_rel16, C::Jb_rel16, C::Jae_rel16, C::Je_rel16,
        C::Jne_rel16, C::Jbe_rel16, C::Ja_rel16, C::Js_rel16, C::Jns_rel16, C::Jp_rel16,
        C::Jnp_rel16, C::Jl_rel16, C::Jge_rel16, C::Jle_rel16, C::Jg_rel16,
    ]),
    (Rewritten(Rewrite::Loop), &[
        C::Loop_rel8_32_ECX, C::Loope_rel8_32_ECX, C::Loopne_rel8_32_ECX, C::Jecxz_rel8_32,
        C::Loop_rel8_16_ECX, C::Loope_rel8_16_ECX, C::Loopne_rel8_16_ECX, C::Jecxz_rel8_16,
        C::Loop_rel8_16_CX, C::Loope_rel8_16_CX, C::Loopne_rel8_16_CX, C::Jcxz_rel8_16,
        C::Loop_rel8_32_CX, C::Loope_rel8_32_CX, C::Loopne_rel8_32_CX, C::Jcxz_rel8_32,
    ]),
    (Rewritten(Rewrite::Call), &[C::Call_rel32_32, C::Call_rel16]),
    (Rewritten(Rewrite::CallIndirect), &[C::Call_rm32, C::Call_rm16]),
    (Rewritten(Rewrite::Return), &[C::Retnd, C::Retnd_imm16, C::Retnw, C::Retnw_imm16]),
    (Rewritten(Rewrite::FarJump), &[C::Jmp_ptr1616, C::Jmp_m1616]),
    (Rewritten(Rewrite::FarCall), &[C::Call_ptr1616, C::Call_m1616]),
    (Rewritten(Rewrite::FarReturn), &[C::Retfw, C::Retfw_imm16]),
    (Rewritten(Rewrite::String), &[
        C::Movsb_m8_m8, C::Movsw_m16_m16, C::Movsd_m32_m32,
        C::Cmpsb_m8_m8, C::Cmpsw_m16_m16, C::Cmpsd_m32_m32,
        C::Stosb_m8_AL, C::Stosw_m16_AX, C::Stosd_m32_EAX,
        C::Lodsb_AL_m8, C::Lodsw_AX_m16, C::Lodsd_EAX_m32,
        C::Scasb_AL_m8, C::Scasw_AX_m16, C::Scasd_EAX_m32,
    ]),
    (Rewritten(Rewrite::ReadSegment), &[C::Mov_rm16_Sreg, C::Mov_r32m16_Sreg]),
    (Rewritten(Rewrite::Enter), &[C::Enterw_imm16_imm8, C::Enterd_imm16_imm8]),
    (Rewritten(Rewrite::LoadSegment), &[C::Mov_Sreg_rm16, C::Mov_Sreg_r32m16]),
    (Rewritten(Rewrite::PopSegment), &[
        C::Popw_ES, C::Popw_DS, C::Popw_FS, C::Popw_GS,
        C::Popd_ES, C::Popd_DS, C::Popd_FS, C::Popd_GS,
    ]),
    (Rewritten(Rewrite::LoadFar), &[
        C::Les_r16_m1616, C::Les_r32_m1632, C::Lds_r16_m1616, C::Lds_r32_m1632,
        C::Lss_r16_m1616, C::Lss_r32_m1632, C::Lfs_r16_m1616, C::Lfs_r32_m1632,
        C::Lgs_r16_m1616, C::Lgs_r32_m1632,
    ]),
    (Rewritten(Rewrite::ClearInterrupts), &[C::Cli]),
    (Rewritten(Rewrite::SetInterrupts), &[C::Sti]),
    (Rewritten(Rewrite::PushFlags), &[C::Pushfd, C::Pushfw]),
    (Rewritten(Rewrite::PopFlags), &[C::Popfd, C::Popfw]),
    (Rewritten(Rewrite::TimeStamp), &[C::Rdtsc]),
    (Rewritten(Rewrite::PortOut), &[C::Out_imm8_AL]),
    (Rewritten(Rewrite::VerifyWrite), &[C::Verw_rm16, C::Verw_r32m16]),
    (Rewritten(Rewrite::Sysenter), &[C::Sysenter]),
    (Rewritten(Rewrite::Sysexit), &[C::Sysexitd]),
    (Rewritten(Rewrite::ClearAc), &[C::Clac]),
    (Rewritten(Rewrite::SetAc), &[C::Stac]),
    // Undocumented aliases and the opcodes of CMPXCHG in early 486s are left to the interpreter.
    (Callout, &[
        C::Fcom_st0_sti_DCD0, C::Fcomp_st0_sti_DCD8, C::Fcomp_st0_sti_DED0, C::Fstp_sti_DFD0,
        C::Fstp_sti_DFD8, C::Fxch_st0_sti_DDC8, C::Fxch_st0_sti_DFC8, C::Test_rm8_imm8_F6r1,
        C::Test_rm16_imm16_F7r1, C::Test_rm32_imm32_F7r1,
        C::Cmpxchg486_rm8_r8, C::Cmpxchg486_rm16_r16, C::Cmpxchg486_rm32_r32,
    ]),
];
