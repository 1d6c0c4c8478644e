#! title = "MMX, SSE, SSE2: results, alignment, #XM, MXCSR, the MMX-x87 overlap, #UD without CR4.OSFXSR"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 1, chapters 9 to 11; volume 3A, 12 and 13.
    .include "pm.inc"

main:
    mov eax, cr0
    and eax, ~0xe
    or eax, 0x22
    mov cr0, eax
    FAULTS 6, 0, movaps xmm0, xmm1  # OSFXSR is clear
    FAULTS 6, 0, ldmxcsr [mxcsr]
    mov eax, cr4
    or eax, 0x200
    mov cr4, eax
    fninit

    # MMX.
    movq mm0, [bytes]
    paddusb mm0, [bytes]
    movq [out], mm0
    EXPECT [out], 0x80604020
    EXPECT [out + 4], 0xffe0c0a0
    movq mm1, [bytes]
    pmaddwd mm1, [words]
    movq [out], mm1
    EXPECT [out], (0x2010+0x4030*2)
    punpcklbw mm1, mm1
    pcmpeqb mm2, mm2
    movd eax, mm2
    EXPECT eax, 0xffffffff
    psllq mm2, 40
    movq [out], mm2
    EXPECT [out], 0
    EXPECT [out + 4], 0xffffff00
    # An MMX instruction marks all registers as in use and sets TOP to 0; the register is the significand with exponent FFFFh.
    fnstenv [out]
    movzx eax, word ptr [out + 8]
    mov ecx, eax
    shr ecx, 1
    and eax, ecx
    and eax, 0x5555
    EXPECT eax, 0                   # none is empty; FNSTENV says valid, zero or special by content
    emms
    fnstenv [out]
    movzx eax, word ptr [out + 8]
    EXPECT eax, 0xffff
    fninit

    # SSE.
    movaps xmm0, [floats]
    addps xmm0, [floats]
    movaps [out], xmm0
    EXPECT [out], 0x40000000
    EXPECT [out + 12], 0x41000000
    movss xmm1, [floats + 4]
    sqrtss xmm1, xmm1
    movd eax, xmm1
    EXPECT eax, 0x3fb504f3
    shufps xmm0, xmm0, 0x1b
    movd eax, xmm0
    EXPECT eax, 0x41000000
    movmskps eax, xmm0
    EXPECT eax, 0
    cvttss2si eax, xmm0
    EXPECT eax, 8
    mov eax, -5
    cvtsi2ss xmm3, eax
    movmskps eax, xmm3
    and eax, 1
    EXPECT eax, 1
    ucomiss xmm3, xmm0
    setb al
    movzx eax, al
    EXPECT eax, 1
    # SSE2.
    movdqa xmm0, [bytes]
    paddq xmm0, [words]
    movdqa [out], xmm0
    EXPECT [out], 0x40322011
    pshufd xmm2, xmm0, 0
    movd eax, xmm2
    EXPECT eax, 0x40322011
    movsd xmm4, [double]
    mulsd xmm4, xmm4
    movsd [out], xmm4
    EXPECT [out + 4], 0x40020000
    cvtsd2si eax, xmm4
    EXPECT eax, 2                   # 2.25, to the nearest even
    movdqu xmm5, [bytes + 1]
    movd eax, xmm5
    EXPECT eax, 0x50403020
    pmovmskb eax, xmm5
    EXPECT eax, 0x40
    mov edi, OFFSET out
    pcmpeqb xmm6, xmm6
    movdqa [out], xmm5
    maskmovdqu xmm5, xmm6           # all bytes selected
    movnti [out + 32], eax
    sfence
    lfence
    mfence
    prefetcht0 [0xfffffff0]         # never faults
    clflush [out]

    # Alignment: #GP(0), nothing loaded.
    .ifndef QEMU                    # (QEMU's TCG does not check it)
    FAULTS 13, 0, movaps xmm0, [bytes + 4]
    FAULTS 13, 0, movdqa [out + 8], xmm0
    FAULTS 13, 0, addps xmm0, [bytes + 4]
    .endif
    movups xmm0, [bytes + 4]
    addss xmm0, [bytes + 4]
    # MXCSR: a reserved bit is #GP; masked exceptions leave flags; unmasked ones #XM, or #UD without OSXMMEXCPT.
    stmxcsr [mxcsr]
    movaps xmm0, [floats]
    ldmxcsr [default_mxcsr]
    xorps xmm7, xmm7
    divps xmm0, xmm7
    stmxcsr [mxcsr]
    mov eax, [mxcsr]
    EXPECT eax, 0x1f84
    .ifndef QEMU                    # (QEMU takes any MXCSR and raises no #XM)
    mov dword ptr [mxcsr], 0x10000
    FAULTS 13, 0, ldmxcsr [mxcsr]
    mov dword ptr [mxcsr], 0x1d80   # zero divide unmasked
    ldmxcsr [mxcsr]
    movaps xmm0, [floats]
    FAULTS 6, 0, divps xmm0, xmm7
    mov eax, cr4
    or eax, 0x400
    mov cr4, eax
    FAULTS 19, 0, divps xmm0, xmm7
    movd eax, xmm0
    EXPECT eax, 0x3f800000          # unchanged
    stmxcsr [mxcsr]
    mov eax, [mxcsr]
    EXPECT eax, 0x1d84
    .endif
    ldmxcsr [default_mxcsr]
    mov eax, 0x12345678             # XMM registers survive exceptions and system instructions
    movd xmm7, eax
    FAULTS 6, 0, ud2
    mov eax, cr3
    xor eax, eax
    cpuid
    sgdt [out]
    movd eax, xmm7
    EXPECT eax, 0x12345678
    ret

    .section .data
    .balign 16
bytes: .byte 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
    .balign 16
words: .word 1, 2, 3, 4, 0, 0, 0, 0
floats: .float 1.0, 2.0, 3.0, 4.0
double: .double 1.5
default_mxcsr: .long 0x1f80
    .section .bss
    .balign 16
out: .skip 64
mxcsr: .skip 4
