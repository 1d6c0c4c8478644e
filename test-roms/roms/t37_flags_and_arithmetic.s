#! title = "Flags and arithmetic: shifts and rotates by odd counts, MUL, DIV, BCD, bit and double-precision operations"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 37. SDM volume 2 for each instruction. Only defined flags are looked at.
    .include "pm.inc"
    .set CF, 1
    .set PF, 4
    .set AF, 0x10
    .set ZF, 0x40
    .set SF, 0x80
    .set OF, 0x800
    .set ALL, 0x8d5

# Flags go in through POPF; after the instruction those in `mask` must be `want`.
.macro FLAGS flags_in, mask, want, insn:vararg
    push \flags_in | 2
    popfd
    \insn
    pushfd
    pop dword ptr [flags]
    and dword ptr [flags], \mask
    EXPECT [flags], \want
.endm

main:
    mov eax, 0x7fffffff
    FLAGS 0, ALL, OF|SF|AF|PF, add eax, 1
    FLAGS 0, ALL, ZF|PF|CF|OF, add eax, eax
    FLAGS CF, ALL, 0, adc eax, 0
    EXPECT eax, 1
    FLAGS CF, ALL, ZF|PF, sbb eax, 0
    FLAGS CF, ALL, CF|AF|SF|PF, sbb eax, 0
    EXPECT eax, -1
    FLAGS 0, ALL, CF|AF|ZF|PF, add eax, 1
    FLAGS CF, ALL, SF|PF|AF|CF, dec eax     # DEC keeps CF
    FLAGS 0, ALL, ZF|PF|AF, inc eax
    mov eax, 0x80000000
    FLAGS 0, ALL, SF|OF|CF|PF, neg eax
    xor eax, eax
    FLAGS ALL, ALL, ZF|PF, neg eax
    FLAGS ALL, ALL, ALL, not eax            # NOT touches none
    FLAGS ALL, CF|OF|SF|ZF|PF, SF|PF, and eax, eax
    mov eax, 0x12
    FLAGS 0, ALL, CF|AF|SF|PF, cmp al, 0x13

    # Shifts by zero change nothing, by 32 neither, by 33 as by one.
    mov eax, 0x80000001
    xor ecx, ecx
    FLAGS ALL, ALL, ALL, shl eax, cl
    FLAGS 0, ALL, 0, sar eax, cl
    mov cl, 32
    FLAGS ALL, ALL, ALL, shr eax, cl
    FLAGS ALL, ALL, ALL, rcl eax, cl
    FLAGS 0, ALL, 0, ror eax, cl
    EXPECT eax, 0x80000001
    mov cl, 33
    FLAGS 0, CF|OF|ZF|SF|PF, CF|OF, shl eax, cl
    EXPECT eax, 2
    FLAGS 0, CF|ZF|PF, CF|ZF|PF, shr eax, 2
    FLAGS 0, CF|ZF|PF, ZF|PF, shr eax, 1
    mov eax, 0x80000000
    FLAGS 0, CF|OF|SF, OF, shr eax, 1       # OF: the old sign
    mov eax, 0x80000001
    FLAGS 0, CF|OF|SF, CF|SF, sar eax, 1
    EXPECT eax, 0xc0000000
    mov eax, 0x80
    FLAGS 0, CF|ZF, ZF|CF, shl al, 1
    mov eax, 0xff
    mov cl, 9
    FLAGS 0, ZF, ZF, shl al, cl             # more than the operand has
    mov eax, 0x80
    mov cl, 31
    FLAGS 0, SF|CF, SF|CF, sar al, cl
    EXPECT eax, 0xff

    # Rotates touch CF and OF only; through carry modulo 9, 17, 33.
    mov eax, 0x81
    FLAGS ZF|SF|PF|AF, ALL, ZF|SF|PF|AF|CF|OF, rol al, 1
    EXPECT eax, 0x03
    FLAGS 0, CF|OF, CF|OF, ror al, 1
    EXPECT eax, 0x81
    mov cl, 8
    FLAGS 0, CF, CF, rol al, cl             # by the width: the value stays, CF is set from it
    EXPECT eax, 0x81
    mov cl, 9
    FLAGS CF, ALL, CF, rcl al, cl           # 9 of 9: nothing
    EXPECT eax, 0x81
    mov cl, 10
    FLAGS 0, CF, CF, rcl al, cl             # as by one
    EXPECT eax, 0x02
    mov cl, 17
    mov eax, 0x1234
    FLAGS CF, ALL, CF, rcr ax, cl
    EXPECT eax, 0x1234
    mov eax, 1
    FLAGS CF, CF|OF, CF|OF, rcr eax, 1
    EXPECT eax, 0x80000000
    mov cl, 31
    FLAGS 0, CF, 0, rcr eax, cl
    EXPECT eax, 1
    mov eax, 0x80000000
    FLAGS CF, CF, CF, rcl eax, 1
    EXPECT eax, 1

    # Double shifts.
    mov eax, 0x12345678
    mov edx, 0x9abcdef0
    FLAGS 0, CF|SF|ZF, CF, shld eax, edx, 4
    EXPECT eax, 0x23456789
    mov eax, 0x12345678
    FLAGS 0, CF|SF|ZF, CF, shrd eax, edx, 4
    EXPECT eax, 0x01234567
    mov cl, 32
    FLAGS ALL, ALL, ALL, shld eax, edx, cl
    EXPECT eax, 0x01234567
    mov eax, 0x40000000
    FLAGS 0, OF|CF, OF, shld eax, edx, 1
    EXPECT eax, 0x80000001

    # Multiplication: CF = OF = the upper half counts.
    mov eax, 0x10000
    mov ebx, 0x10000
    FLAGS 0, CF|OF, CF|OF, mul ebx
    EXPECT edx, 1
    EXPECT eax, 0
    mov eax, -3
    mov ebx, 5
    FLAGS CF|OF, CF|OF, 0, imul ebx
    EXPECT eax, -15
    EXPECT edx, -1
    mov al, 16
    mov bl, 16
    FLAGS 0, CF|OF, CF|OF, mul bl
    movzx eax, ax
    EXPECT eax, 0x100
    mov eax, 0x40000000
    FLAGS 0, CF|OF, CF|OF, imul eax, eax, 2
    EXPECT eax, 0x80000000
    mov ebx, 7
    FLAGS CF|OF, CF|OF, 0, imul ebx, ebx, -6
    EXPECT ebx, -42

    # Division at its edges.
    mov edx, 0xfffffffe
    mov eax, 0xffffffff
    mov ebx, 0xffffffff
    div ebx
    EXPECT eax, 0xffffffff
    EXPECT edx, 0xfffffffe
    mov eax, -7
    cdq
    mov ebx, 2
    idiv ebx
    EXPECT eax, -3
    EXPECT edx, -1
    mov edx, -1
    mov eax, 0x80000000
    mov ebx, 1
    idiv ebx
    EXPECT eax, 0x80000000
    mov eax, 0xff80
    mov bl, 1
    idiv bl                         # -128 / 1 just fits
    movzx eax, ax
    EXPECT eax, 0x0080
    mov eax, 0x0080
    FAULTS 0, 0, idiv bl            # 128 does not
    mov edx, 1
    xor eax, eax
    mov ebx, 1
    FAULTS 0, 0, div ebx

    # BCD.
    mov eax, 0x79
    FLAGS 0, CF|AF|ZF|SF|PF, SF, add al, 0x35
    mov eax, 0x79
    add al, 0x35
    daa
    movzx eax, al
    EXPECT eax, 0x14
    mov eax, 0x9c
    FLAGS AF|CF, CF|AF, CF|AF, daa
    movzx eax, al
    EXPECT eax, 0x02
    mov eax, 0x35
    sub al, 0x47
    pushfd
    das
    setc bl
    popfd
    movzx eax, al
    movzx ebx, bl
    EXPECT eax, 0x88
    EXPECT ebx, 1
    mov eax, 0x0106
    FLAGS 0, CF|AF, 0, aaa
    EXPECT eax, 0x0106
    mov eax, 0x010f
    FLAGS 0, CF|AF, CF|AF, aaa
    EXPECT eax, 0x0205
    mov eax, 0x0203
    FLAGS AF, CF|AF, CF|AF, aas
    EXPECT eax, 0x000d              # AX - 6 borrows from AH, then AH - 1
    mov eax, 63
    FLAGS 0, SF|ZF|PF, PF, aam
    EXPECT eax, 0x0603
    FLAGS 0, SF|ZF|PF, PF, aad
    EXPECT eax, 63
    mov eax, 0x23
    .byte 0xd4, 0x10                # AAM 16
    EXPECT eax, 0x0203
    .byte 0xd5, 0x10                # AAD 16
    EXPECT eax, 0x23
    FLAGS CF, 0, 0, .byte 0xd6      # SALC
    movzx eax, al
    EXPECT eax, 0xff

    # Bit scans, tests, byte swap, exchange-add, compare-exchange.
    mov ebx, 0x00a00800
    FLAGS ZF, ZF, 0, bsf eax, ebx
    EXPECT eax, 11
    FLAGS ZF, ZF, 0, bsr eax, ebx
    EXPECT eax, 23
    xor ebx, ebx
    FLAGS 0, ZF, ZF, bsf ecx, ebx
    mov eax, 0x12345678
    bswap eax
    EXPECT eax, 0x78563412
    mov eax, 5
    mov ebx, 7
    xadd eax, ebx
    EXPECT eax, 12
    EXPECT ebx, 5
    mov eax, 12
    mov ecx, 99
    mov ebx, 12
    FLAGS 0, ZF, ZF, cmpxchg ebx, ecx
    EXPECT ebx, 99
    FLAGS ZF, ALL, CF|SF|PF, cmpxchg ebx, ecx
    EXPECT eax, 99
    mov al, 0x80
    cbw
    movzx ecx, ax
    EXPECT ecx, 0xff80
    cwde
    EXPECT eax, 0xffffff80
    # The image of the flags in AH.
    mov ah, 0xff
    sahf
    lahf
    movzx eax, ah
    EXPECT eax, 0xd7
    FLAGS CF, CF, 0, cmc
    ret

    .section .bss
    .balign 4
flags: .skip 4
