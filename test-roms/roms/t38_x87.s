#! title = "x87: constants, stack faults, environment formats, #MF by NE, waiting and non-waiting instructions, FXSAVE"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 38. SDM volume 1, chapter 8; volume 2 for FNSTENV, FNSAVE, FXSAVE, FWAIT; volume 3A, 13.1.
    .include "pm.inc"

.macro STATUS mask, want
    fnstsw ax
    and eax, \mask
    EXPECT eax, \want
.endm

main:
    mov eax, cr0
    and eax, ~0xe
    or eax, 0x22                    # NE, MP
    mov cr0, eax
    mov eax, cr4
    or eax, 0x600                   # OSFXSR, OSXMMEXCPT
    mov cr4, eax
    fninit
    fnstcw [buffer]
    movzx eax, word ptr [buffer]
    EXPECT eax, 0x37f
    STATUS 0xffff, 0

    # Constants as 80-bit values.
    fldpi
    fstp tbyte ptr [buffer]
    EXPECT [buffer], 0x2168c235
    EXPECT [buffer + 4], 0xc90fdaa2
    movzx eax, word ptr [buffer + 8]
    EXPECT eax, 0x4000
    fldl2t
    fstp tbyte ptr [buffer]
    EXPECT [buffer], 0xcd1b8afe
    EXPECT [buffer + 4], 0xd49a784b
    # Arithmetic, exact in 64 bits of significand.
    fld1
    mov dword ptr [buffer], 3
    fidiv dword ptr [buffer]
    fstp tbyte ptr [buffer]
    EXPECT [buffer], 0xaaaaaaab
    EXPECT [buffer + 4], 0xaaaaaaaa
    mov dword ptr [buffer], 2
    fild dword ptr [buffer]
    fsqrt
    fstp qword ptr [buffer]
    EXPECT [buffer], 0x667f3bcd
    EXPECT [buffer + 4], 0x3ff6a09e
    mov dword ptr [buffer], 0x7fffffff
    fild dword ptr [buffer]
    fbstp tbyte ptr [buffer]
    EXPECT [buffer], 0x47483647
    fldz
    fld1
    fcomi st(0), st(1)
    seta al
    movzx eax, al
    EXPECT eax, 1
    fucompp
    STATUS 0x4700, 0
    # Precision and rounding control.
    mov word ptr [buffer], 0x07f    # single
    fldcw [buffer]
    fld1
    mov dword ptr [buffer], 3
    fidiv dword ptr [buffer]
    fstp tbyte ptr [buffer]
    EXPECT [buffer + 4], 0xaaaaab00
    mov word ptr [buffer], 0xf7f    # truncate
    fldcw [buffer]
    fldpi
    fchs
    fistp dword ptr [buffer]
    EXPECT [buffer], -3
    fninit

    .ifndef QEMU                    # (QEMU sees no stack faults)
    # Masked stack faults: overflow C1 = 1, underflow C1 = 0; the indefinite comes out.
    fstp dword ptr [buffer]
    EXPECT [buffer], 0xffc00000
    STATUS 0x241, 0x41
    fninit
    mov ecx, 9
1:  fld1
    dec ecx
    jnz 1b
    STATUS 0x241, 0x241
    .endif
    fninit

    # Unmasked: the instruction that fails leaves its mark; the next waiting one faults, non-waiting ones do not.
    mov word ptr [buffer], 0x37b    # zero divide unmasked
    fldcw [buffer]
    fld1
    fldz
    fdivp st(1), st(0)
    fnstsw ax
    and eax, 0x80bf
    EXPECT eax, 0x8084              # ES, B, ZE
    FAULTS 16, 0, fwait
    .ifndef QEMU                    # (QEMU faults on FWAIT only)
    FAULTS 16, 0, fld1
    FAULTS 16, 0, fnop
    .endif
    fnclex
    fwait
    STATUS 0x80ff, 0
    fninit
    # FINIT waits: so it faults.
    fldcw [buffer]
    fld1
    fldz
    fdivp st(1), st(0)
    .ifndef QEMU
    FAULTS 16, 0, finit
    .endif
    fninit

    # #NM: EM and TS; FWAIT by MP and TS.
    mov eax, cr0
    or eax, 8
    mov cr0, eax
    FAULTS 7, 0, fld1
    .ifndef QEMU                    # (QEMU lets them pass)
    FAULTS 7, 0, fwait
    FAULTS 7, 0, fnstsw ax
    FAULTS 7, 0, emms
    .endif
    FAULTS 7, 0, movaps xmm0, xmm1
    mov eax, cr0
    and eax, ~2                     # MP clear: FWAIT passes
    mov cr0, eax
    fwait
    clts
    or eax, 4                       # EM
    and eax, ~8
    mov cr0, eax
    FAULTS 7, 0, fld1
    FAULTS 6, 0, movaps xmm0, xmm1
    .ifndef QEMU
    FAULTS 6, 0, emms
    .endif
    fwait
    mov eax, cr0
    and eax, ~4
    or eax, 2
    mov cr0, eax

    # The environment, 32-bit protected mode: control, status, tag, FIP, FCS and opcode, FDP, FDS.
    fninit
    fldz
    fld1
2:  fadd dword ptr [one]
    fnstenv [buffer]
    movzx eax, word ptr [buffer]
    EXPECT eax, 0x37f
    movzx eax, word ptr [buffer + 4]
    EXPECT eax, 0x3000              # TOP = 6
    movzx eax, word ptr [buffer + 8]
    EXPECT eax, 0x4fff              # 6: valid, 7: zero
    .ifndef QEMU                    # (QEMU keeps no pointers)
    EXPECT [buffer + 12], (OFFSET 2b)
    EXPECT [buffer + 20], 0         # FDP follows unmasked exceptions only: t38_x87_pointers
    .endif
    fnstcw [buffer + 64]            # FNSTENV masks all exceptions after storing; they were masked
    fldenv [buffer]
    fld st(0)
    fstp dword ptr [buffer + 32]
    EXPECT [buffer + 32], 0x40000000
    # FNSAVE stores and initialises, FRSTOR brings back.
    fnsave [buffer]
    STATUS 0xffff, 0
    movzx eax, word ptr [buffer + 28 + 8]
    EXPECT eax, 0x4000              # ST(0) = 2.0
    frstor [buffer]
    fstp dword ptr [buffer + 128]
    EXPECT [buffer + 128], 0x40000000
    # The 16-bit format.
    fninit
    fld1
    .byte 0x66
    fnstenv [buffer]
    mov eax, [buffer]
    EXPECT eax, 0x3800037f
    movzx eax, word ptr [buffer + 4]
    EXPECT eax, 0x3fff

    # FXSAVE: abridged tags, XMM, MXCSR.
    fninit
    fldpi
    mov eax, 0x89abcdef
    movd xmm5, eax
    fxsave [area]
    movzx eax, word ptr [area]
    EXPECT eax, 0x37f
    movzx eax, byte ptr [area + 4]
    EXPECT eax, 0x80
    EXPECT [area + 24], 0x1f80
    EXPECT [area + 32], 0x2168c235
    EXPECT [area + 160 + 5*16], 0x89abcdef
    pxor xmm5, xmm5
    fninit
    fxrstor [area]
    movd eax, xmm5
    EXPECT eax, 0x89abcdef
    STATUS 0x3800, 0x3800
    .ifndef QEMU
    FAULTS 13, 0, fxsave [area + 8] # 16-byte alignment
    or dword ptr [area + 24], 0x10000
    FAULTS 13, 0, fxrstor [area]    # a reserved bit of MXCSR
    .endif
    ret

    .section .data
one: .float 1.0
    .section .bss
    .balign 16
buffer: .skip 256
area: .skip 512 + 16
