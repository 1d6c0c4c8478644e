//! What blocks may contain: data only. A new form that the emitter uses is a new line here, and
//! deserves the question whether it can reach anything of the host's.
//!
//! The lists were written from the SDM (volume 1, chapter 5), not from the translator's table.

use iced_x86::{Code, Mnemonic};

use Code as C;
use Mnemonic as M;

/// Instructions that only compute, on registers and memory operands of the approved forms, with
/// operands of 8, 16 and 32 bits (or the FPU's, MMX's and SSE's own).
#[rustfmt::skip]
pub(super) const PLAIN: &[Mnemonic] = &[
    // Moving
    M::Mov, M::Movzx, M::Movsx, M::Xchg, M::Bswap, M::Xadd, M::Cmpxchg, M::Cmpxchg8b, M::Lea,
    M::Cbw, M::Cwde, M::Cwd, M::Cdq, M::Xlatb,
    M::Cmovo, M::Cmovno, M::Cmovb, M::Cmovae, M::Cmove, M::Cmovne, M::Cmovbe, M::Cmova,
    M::Cmovs, M::Cmovns, M::Cmovp, M::Cmovnp, M::Cmovl, M::Cmovge, M::Cmovle, M::Cmovg,
    // Arithmetic and logic
    M::Add, M::Adc, M::Sub, M::Sbb, M::Cmp, M::And, M::Or, M::Xor, M::Test, M::Not, M::Neg, M::Inc,
    M::Dec, M::Mul, M::Imul, M::Div, M::Idiv, M::Shl, M::Sal, M::Shr, M::Sar, M::Rol, M::Ror, M::Rcl,
    M::Rcr, M::Shld, M::Shrd, M::Bt, M::Bts, M::Btr, M::Btc, M::Bsf, M::Bsr, M::Tzcnt, M::Lzcnt,
    M::Popcnt, M::Crc32, M::Movbe, M::Adcx, M::Adox,
    M::Seto, M::Setno, M::Setb, M::Setae, M::Sete, M::Setne, M::Setbe, M::Seta,
    M::Sets, M::Setns, M::Setp, M::Setnp, M::Setl, M::Setge, M::Setle, M::Setg,
    // Arithmetic flags and DF
    M::Clc, M::Stc, M::Cmc, M::Cld, M::Std, M::Lahf, M::Sahf,
    // Hints
    M::Nop, M::Pause, M::Prefetchnta, M::Prefetcht0, M::Prefetcht1, M::Prefetcht2, M::Clflush,
    M::Lfence, M::Mfence, M::Sfence,
    // x87
    M::Fld, M::Fst, M::Fstp, M::Fild, M::Fist, M::Fistp, M::Fbld, M::Fbstp, M::Fxch,
    M::Fcmovb, M::Fcmove, M::Fcmovbe, M::Fcmovu, M::Fcmovnb, M::Fcmovne, M::Fcmovnbe, M::Fcmovnu,
    M::Fadd, M::Faddp, M::Fiadd, M::Fsub, M::Fsubp, M::Fisub, M::Fsubr, M::Fsubrp, M::Fisubr,
    M::Fmul, M::Fmulp, M::Fimul, M::Fdiv, M::Fdivp, M::Fidiv, M::Fdivr, M::Fdivrp, M::Fidivr,
    M::Fprem, M::Fprem1, M::Fabs, M::Fchs, M::Frndint, M::Fscale, M::Fsqrt, M::Fxtract,
    M::Fcom, M::Fcomp, M::Fcompp, M::Fucom, M::Fucomp, M::Fucompp, M::Ficom, M::Ficomp, M::Fcomi,
    M::Fcomip, M::Fucomi, M::Fucomip, M::Ftst, M::Fxam, M::Fsin, M::Fcos, M::Fsincos, M::Fptan,
    M::Fpatan, M::F2xm1, M::Fyl2x, M::Fyl2xp1, M::Fld1, M::Fldz, M::Fldpi, M::Fldl2e, M::Fldl2t,
    M::Fldlg2, M::Fldln2, M::Fincstp, M::Fdecstp, M::Ffree, M::Fnstcw,
    M::Fldcw, M::Fnstsw, M::Fnop, M::Wait,
    // MMX and SSE, integer
    M::Movd, M::Movq, M::Packssdw, M::Packsswb, M::Packuswb, M::Punpckhbw, M::Punpckhwd,
    M::Punpckhdq, M::Punpckhqdq, M::Punpcklbw, M::Punpcklwd, M::Punpckldq, M::Punpcklqdq,
    M::Paddb, M::Paddw, M::Paddd, M::Paddq, M::Paddsb, M::Paddsw, M::Paddusb, M::Paddusw,
    M::Psubb, M::Psubw, M::Psubd, M::Psubq, M::Psubsb, M::Psubsw, M::Psubusb, M::Psubusw,
    M::Pmulhw, M::Pmulhuw, M::Pmullw, M::Pmuludq, M::Pmaddwd, M::Psadbw, M::Pavgb, M::Pavgw,
    M::Pmaxsw, M::Pmaxub, M::Pminsw, M::Pminub, M::Pcmpeqb, M::Pcmpeqw, M::Pcmpeqd, M::Pcmpgtb,
    M::Pcmpgtw, M::Pcmpgtd, M::Pand, M::Pandn, M::Por, M::Pxor, M::Psllw, M::Pslld, M::Psllq,
    M::Pslldq, M::Psrlw, M::Psrld, M::Psrlq, M::Psrldq, M::Psraw, M::Psrad, M::Pextrw, M::Pinsrw,
    M::Pmovmskb, M::Pshufw, M::Pshufd, M::Pshufhw, M::Pshuflw, M::Movntq, M::Movntdq, M::Movnti,
    M::Movdqa, M::Movdqu, M::Movdq2q, M::Movq2dq, M::Emms,
    // SSE and SSE2, floating point
    M::Movaps, M::Movups, M::Movapd, M::Movupd, M::Movss, M::Movsd, M::Movlps, M::Movhps, M::Movlpd,
    M::Movhpd, M::Movhlps, M::Movlhps, M::Movmskps, M::Movmskpd, M::Movntps, M::Movntpd,
    M::Addps, M::Addss, M::Addpd, M::Addsd, M::Subps, M::Subss, M::Subpd, M::Subsd, M::Mulps,
    M::Mulss, M::Mulpd, M::Mulsd, M::Divps, M::Divss, M::Divpd, M::Divsd, M::Sqrtps, M::Sqrtss,
    M::Sqrtpd, M::Sqrtsd, M::Rcpps, M::Rcpss, M::Rsqrtps, M::Rsqrtss, M::Maxps, M::Maxss, M::Maxpd,
    M::Maxsd, M::Minps, M::Minss, M::Minpd, M::Minsd, M::Cmpps, M::Cmpss, M::Cmppd, M::Cmpsd,
    M::Comiss, M::Comisd, M::Ucomiss, M::Ucomisd, M::Andps, M::Andpd, M::Andnps, M::Andnpd, M::Orps,
    M::Orpd, M::Xorps, M::Xorpd, M::Shufps, M::Shufpd, M::Unpckhps, M::Unpckhpd, M::Unpcklps,
    M::Unpcklpd, M::Cvtpi2ps, M::Cvtpi2pd, M::Cvtps2pi, M::Cvtpd2pi, M::Cvttps2pi, M::Cvttpd2pi,
    M::Cvtsi2ss, M::Cvtsi2sd, M::Cvtss2si, M::Cvtsd2si, M::Cvttss2si, M::Cvttsd2si, M::Cvtps2pd,
    M::Cvtpd2ps, M::Cvtss2sd, M::Cvtsd2ss, M::Cvtdq2ps, M::Cvtdq2pd, M::Cvtps2dq, M::Cvtpd2dq,
    M::Cvttps2dq, M::Cvttpd2dq, M::Stmxcsr,
    // SSE3 to SSE4.2, AES, PCLMULQDQ, SHA
    M::Addsubpd, M::Addsubps, M::Fisttp, M::Haddpd, M::Haddps, M::Hsubpd, M::Hsubps, M::Lddqu,
    M::Movddup, M::Movshdup, M::Movsldup,
    M::Pabsb, M::Pabsw, M::Pabsd, M::Palignr, M::Phaddw, M::Phaddd, M::Phaddsw, M::Phsubw,
    M::Phsubd, M::Phsubsw, M::Pmaddubsw, M::Pmulhrsw, M::Pshufb, M::Psignb, M::Psignw,
    M::Psignd,
    M::Blendpd, M::Blendps, M::Blendvpd, M::Blendvps, M::Dppd, M::Dpps, M::Extractps,
    M::Insertps, M::Movntdqa, M::Mpsadbw, M::Packusdw, M::Pblendvb, M::Pblendw, M::Pcmpeqq,
    M::Pextrb, M::Pextrd, M::Phminposuw, M::Pinsrb, M::Pinsrd, M::Pmaxsb, M::Pmaxsd,
    M::Pmaxud, M::Pmaxuw, M::Pminsb, M::Pminsd, M::Pminud, M::Pminuw, M::Pmovsxbw, M::Pmovsxbd,
    M::Pmovsxbq, M::Pmovsxwd, M::Pmovsxwq, M::Pmovsxdq, M::Pmovzxbw, M::Pmovzxbd, M::Pmovzxbq,
    M::Pmovzxwd, M::Pmovzxwq, M::Pmovzxdq, M::Pmuldq, M::Pmulld, M::Ptest, M::Roundpd,
    M::Roundps, M::Roundsd, M::Roundss,
    M::Pcmpestri, M::Pcmpestrm, M::Pcmpistri, M::Pcmpistrm, M::Pcmpgtq,
    M::Aesdec, M::Aesdeclast, M::Aesenc, M::Aesenclast, M::Aesimc, M::Aeskeygenassist,
    M::Pclmulqdq,
    M::Sha1msg1, M::Sha1msg2, M::Sha1nexte, M::Sha1rnds4, M::Sha256msg1, M::Sha256msg2,
    M::Sha256rnds2,
];

/// The same with encodings of their own, on general registers only.
#[rustfmt::skip]
pub(super) const MODERN: &[Code] = &[
    C::VEX_Andn_r32_r32_rm32, C::VEX_Bextr_r32_rm32_r32, C::VEX_Blsi_r32_rm32, C::VEX_Blsmsk_r32_rm32,
    C::VEX_Blsr_r32_rm32, C::VEX_Bzhi_r32_rm32_r32, C::VEX_Mulx_r32_r32_rm32, C::VEX_Pdep_r32_r32_rm32,
    C::VEX_Pext_r32_r32_rm32, C::VEX_Rorx_r32_rm32_imm8, C::VEX_Sarx_r32_rm32_r32, C::VEX_Shlx_r32_rm32_r32,
    C::VEX_Shrx_r32_rm32_r32,
];

/// Those of AVX, AVX2, F16C and FMA that only compute: none has an address of several elements, nor an implicit one.
#[rustfmt::skip]
pub(super) const VECTORS: &[Mnemonic] = &[
    // AVX
    M::Vmovups, M::Vmovupd, M::Vmovss, M::Vmovsd, M::Vmovhlps, M::Vmovlps, M::Vmovlpd, M::Vmovsldup,
    M::Vmovddup, M::Vunpcklps, M::Vunpcklpd, M::Vunpckhps, M::Vunpckhpd, M::Vmovlhps, M::Vmovhps,
    M::Vmovhpd, M::Vmovshdup, M::Vmovaps, M::Vmovapd, M::Vcvtsi2ss, M::Vcvtsi2sd, M::Vmovntps,
    M::Vmovntpd, M::Vcvttss2si, M::Vcvttsd2si, M::Vcvtss2si, M::Vcvtsd2si, M::Vucomiss, M::Vucomisd,
    M::Vcomiss, M::Vcomisd, M::Vmovmskps, M::Vmovmskpd, M::Vsqrtps, M::Vsqrtpd, M::Vsqrtss,
    M::Vsqrtsd, M::Vrsqrtps, M::Vrsqrtss, M::Vrcpps, M::Vrcpss, M::Vandps, M::Vandpd, M::Vandnps,
    M::Vandnpd, M::Vorps, M::Vorpd, M::Vxorps, M::Vxorpd, M::Vaddps, M::Vaddpd, M::Vaddss,
    M::Vaddsd, M::Vmulps, M::Vmulpd, M::Vmulss, M::Vmulsd, M::Vcvtps2pd, M::Vcvtpd2ps, M::Vcvtss2sd,
    M::Vcvtsd2ss, M::Vcvtdq2ps, M::Vcvtps2dq, M::Vcvttps2dq, M::Vsubps, M::Vsubpd, M::Vsubss,
    M::Vsubsd, M::Vminps, M::Vminpd, M::Vminss, M::Vminsd, M::Vdivps, M::Vdivpd, M::Vdivss,
    M::Vdivsd, M::Vmaxps, M::Vmaxpd, M::Vmaxss, M::Vmaxsd, M::Vpunpcklbw, M::Vpunpcklwd,
    M::Vpunpckldq, M::Vpacksswb, M::Vpcmpgtb, M::Vpcmpgtw, M::Vpcmpgtd, M::Vpackuswb, M::Vpunpckhbw,
    M::Vpunpckhwd, M::Vpunpckhdq, M::Vpackssdw, M::Vpunpcklqdq, M::Vpunpckhqdq, M::Vmovd,
    M::Vmovdqa, M::Vmovdqu, M::Vpshufd, M::Vpshufhw, M::Vpshuflw, M::Vpsrlw, M::Vpsraw, M::Vpsllw,
    M::Vpsrld, M::Vpsrad, M::Vpslld, M::Vpsrlq, M::Vpsrldq, M::Vpsllq, M::Vpslldq, M::Vpcmpeqb,
    M::Vpcmpeqw, M::Vpcmpeqd, M::Vzeroupper, M::Vzeroall, M::Vhaddpd, M::Vhaddps, M::Vhsubpd,
    M::Vhsubps, M::Vmovq, M::Vstmxcsr, M::Vcmpps, M::Vcmppd, M::Vcmpss, M::Vcmpsd, M::Vpinsrw,
    M::Vpextrw, M::Vshufps, M::Vshufpd, M::Vaddsubpd, M::Vaddsubps, M::Vpaddq, M::Vpmullw,
    M::Vpmovmskb, M::Vpsubusb, M::Vpsubusw, M::Vpminub, M::Vpand, M::Vpaddusb, M::Vpaddusw,
    M::Vpmaxub, M::Vpandn, M::Vpavgb, M::Vpavgw, M::Vpmulhuw, M::Vpmulhw, M::Vcvttpd2dq,
    M::Vcvtdq2pd, M::Vcvtpd2dq, M::Vmovntdq, M::Vpsubsb, M::Vpsubsw, M::Vpminsw, M::Vpor,
    M::Vpaddsb, M::Vpaddsw, M::Vpmaxsw, M::Vpxor, M::Vlddqu, M::Vpmuludq, M::Vpmaddwd, M::Vpsadbw,
    M::Vpsubb, M::Vpsubw, M::Vpsubd, M::Vpsubq, M::Vpaddb, M::Vpaddw, M::Vpaddd, M::Vpshufb,
    M::Vphaddw, M::Vphaddd, M::Vphaddsw, M::Vpmaddubsw, M::Vphsubw, M::Vphsubd, M::Vphsubsw,
    M::Vpsignb, M::Vpsignw, M::Vpsignd, M::Vpmulhrsw, M::Vpermilps, M::Vpermilpd, M::Vtestps,
    M::Vtestpd, M::Vptest, M::Vbroadcastss, M::Vbroadcastsd, M::Vbroadcastf128, M::Vpabsb,
    M::Vpabsw, M::Vpabsd, M::Vpmovsxbw, M::Vpmovsxbd, M::Vpmovsxbq, M::Vpmovsxwd, M::Vpmovsxwq,
    M::Vpmovsxdq, M::Vpmuldq, M::Vpcmpeqq, M::Vmovntdqa, M::Vpackusdw, M::Vpmovzxbw, M::Vpmovzxbd,
    M::Vpmovzxbq, M::Vpmovzxwd, M::Vpmovzxwq, M::Vpmovzxdq, M::Vpcmpgtq, M::Vpminsb, M::Vpminsd,
    M::Vpminuw, M::Vpminud, M::Vpmaxsb, M::Vpmaxsd, M::Vpmaxuw, M::Vpmaxud, M::Vpmulld,
    M::Vphminposuw, M::Vaesimc, M::Vaesenc, M::Vaesenclast, M::Vaesdec, M::Vaesdeclast,
    M::Vperm2f128, M::Vroundps, M::Vroundpd, M::Vroundss, M::Vroundsd, M::Vblendps, M::Vblendpd,
    M::Vpblendw, M::Vpalignr, M::Vpextrb, M::Vpextrd, M::Vextractps, M::Vinsertf128,
    M::Vextractf128, M::Vpinsrb, M::Vinsertps, M::Vpinsrd, M::Vdpps, M::Vdppd, M::Vmpsadbw,
    M::Vpclmulqdq, M::Vblendvps, M::Vblendvpd, M::Vpblendvb, M::Vpcmpestrm, M::Vpcmpestri,
    M::Vpcmpistrm, M::Vpcmpistri, M::Vaeskeygenassist,
    // AVX2
    M::Vpermps, M::Vpermd, M::Vpsrlvd, M::Vpsrlvq, M::Vpsravd, M::Vpsllvd, M::Vpsllvq,
    M::Vpbroadcastd, M::Vpbroadcastq, M::Vbroadcasti128, M::Vpbroadcastb, M::Vpbroadcastw,
    M::Vpermq, M::Vpermpd, M::Vpblendd, M::Vinserti128, M::Vextracti128, M::Vperm2i128,
    // F16C
    M::Vcvtph2ps, M::Vcvtps2ph,
    // FMA
    M::Vfmaddsub132ps, M::Vfmaddsub132pd, M::Vfmsubadd132ps, M::Vfmsubadd132pd, M::Vfmadd132ps,
    M::Vfmadd132pd, M::Vfmadd132ss, M::Vfmadd132sd, M::Vfmsub132ps, M::Vfmsub132pd, M::Vfmsub132ss,
    M::Vfmsub132sd, M::Vfnmadd132ps, M::Vfnmadd132pd, M::Vfnmadd132ss, M::Vfnmadd132sd,
    M::Vfnmsub132ps, M::Vfnmsub132pd, M::Vfnmsub132ss, M::Vfnmsub132sd, M::Vfmaddsub213ps,
    M::Vfmaddsub213pd, M::Vfmsubadd213ps, M::Vfmsubadd213pd, M::Vfmadd213ps, M::Vfmadd213pd,
    M::Vfmadd213ss, M::Vfmadd213sd, M::Vfmsub213ps, M::Vfmsub213pd, M::Vfmsub213ss, M::Vfmsub213sd,
    M::Vfnmadd213ps, M::Vfnmadd213pd, M::Vfnmadd213ss, M::Vfnmadd213sd, M::Vfnmsub213ps,
    M::Vfnmsub213pd, M::Vfnmsub213ss, M::Vfnmsub213sd, M::Vfmaddsub231ps, M::Vfmaddsub231pd,
    M::Vfmsubadd231ps, M::Vfmsubadd231pd, M::Vfmadd231ps, M::Vfmadd231pd, M::Vfmadd231ss,
    M::Vfmadd231sd, M::Vfmsub231ps, M::Vfmsub231pd, M::Vfmsub231ss, M::Vfmsub231sd, M::Vfnmadd231ps,
    M::Vfnmadd231pd, M::Vfnmadd231ss, M::Vfnmadd231sd, M::Vfnmsub231ps, M::Vfnmsub231pd,
    M::Vfnmsub231ss, M::Vfnmsub231sd,
];

/// String instructions, with or without a repeat prefix.
#[rustfmt::skip]
pub(super) const STRINGS: &[Code] = &[
    C::Movsb_m8_m8, C::Movsw_m16_m16, C::Movsd_m32_m32, C::Cmpsb_m8_m8, C::Cmpsw_m16_m16,
    C::Cmpsd_m32_m32, C::Stosb_m8_AL, C::Stosw_m16_AX, C::Stosd_m32_EAX, C::Lodsb_AL_m8,
    C::Lodsw_AX_m16, C::Lodsd_EAX_m32, C::Scasb_AL_m8, C::Scasw_AX_m16, C::Scasd_EAX_m32,
];

/// Instructions that can be locked, with a destination in memory (SDM volume 2A, LOCK).
#[rustfmt::skip]
pub(super) const LOCKABLE: &[Mnemonic] = &[
    M::Add, M::Adc, M::And, M::Btc, M::Btr, M::Bts, M::Cmpxchg, M::Cmpxchg8b, M::Dec, M::Inc, M::Neg, M::Not,
    M::Or, M::Sbb, M::Sub, M::Xor, M::Xadd, M::Xchg,
];

/// Direct branches and their lengths without prefixes.
#[rustfmt::skip]
pub(super) const BRANCHES: &[(Code, usize)] = &[
    (C::Jmp_rel32_64, 5), (C::Jmp_rel8_64, 2),
    (C::Jo_rel32_64, 6), (C::Jno_rel32_64, 6), (C::Jb_rel32_64, 6), (C::Jae_rel32_64, 6),
    (C::Je_rel32_64, 6), (C::Jne_rel32_64, 6), (C::Jbe_rel32_64, 6), (C::Ja_rel32_64, 6),
    (C::Js_rel32_64, 6), (C::Jns_rel32_64, 6), (C::Jp_rel32_64, 6), (C::Jnp_rel32_64, 6),
    (C::Jl_rel32_64, 6), (C::Jge_rel32_64, 6), (C::Jle_rel32_64, 6), (C::Jg_rel32_64, 6),
    (C::Jo_rel8_64, 2), (C::Jno_rel8_64, 2), (C::Jb_rel8_64, 2), (C::Jae_rel8_64, 2),
    (C::Je_rel8_64, 2), (C::Jne_rel8_64, 2), (C::Jbe_rel8_64, 2), (C::Ja_rel8_64, 2),
    (C::Js_rel8_64, 2), (C::Jns_rel8_64, 2), (C::Jp_rel8_64, 2), (C::Jnp_rel8_64, 2),
    (C::Jl_rel8_64, 2), (C::Jge_rel8_64, 2), (C::Jle_rel8_64, 2), (C::Jg_rel8_64, 2),
    (C::Jrcxz_rel8_64, 2), (C::Jecxz_rel8_64, 3), (C::Loop_rel8_64_ECX, 3),
    (C::Loope_rel8_64_ECX, 3), (C::Loopne_rel8_64_ECX, 3),
];

/// The only instructions with 64-bit operands, each in the patterns of `walk::Walk::wide`.
#[rustfmt::skip]
pub(super) const WIDE: &[Code] = &[
    C::Mov_r64_rm64, C::Mov_rm64_r64, C::Lea_r64_m, C::Sub_rm64_imm32, C::Add_rm64_imm32,
    C::Sub_rm64_imm8, C::Add_rm64_imm8, C::Pushfq, C::Popfq, C::Pop_r64, C::Jmp_rm64,
    C::Bswap_r64, C::Mov_rm64_imm32,
];

/// Instructions that add a register to their address by themselves, beyond what the operand says.
#[rustfmt::skip]
pub(super) const REACHING: &[Code] = &[
    C::Bt_rm16_r16, C::Bt_rm32_r32, C::Bts_rm16_r16, C::Bts_rm32_r32, C::Btr_rm16_r16,
    C::Btr_rm32_r32, C::Btc_rm16_r16, C::Btc_rm32_r32, C::Xlat_m8,
];
