#! title = "FIP, FCS, FOP, FDP, FDS: after cold code and hot, in the middle of blocks, with unmasked exceptions"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 38. SDM volume 1, 8.1.8 and 8.1.9: FIP and FCS follow every non-control instruction; on this processor FOP, FDP
# and FDS follow those that raise an unmasked exception. Every check runs a hundred times, so that the code is translated.
# (QEMU keeps no pointers: there the checks of values are left out.)
    .include "pm.inc"
    .include "paging.inc"
    .set ABSENT, WINDOW + 0x5000

.macro POINTERS fip, fop, fdp
    fnstenv [env]
    .ifndef QEMU
    EXPECT [env + 12], (OFFSET \fip)
    EXPECT [env + 16], CODE0 | ((\fop) << 16)
    EXPECT [env + 20], \fdp
    .endif
.endm
# FINIT without what it clears: control word CW.
.macro UNMASK cw
    mov word ptr [control], \cw
    fldcw [control]
.endm
.macro EACH body:vararg
    mov ebp, 100
1:  call \body
    dec ebp
    jnz 1b
.endm

main:
    call paging_on
    mov eax, cr0
    and eax, ~0x0c                  # no EM, no TS
    or eax, 0x22                    # NE, MP
    mov cr0, eax
    EACH straight
    EACH over_branches
    EACH middle
    EACH faulting
    EACH operand
    EACH waiting
    EACH cleared
    EACH unmasked_later
    EACH loaded
    EACH based
    ret

# The last of several in a block; control instructions do not count.
straight:
    fninit
    fnstenv [env]
    .ifndef QEMU
    EXPECT [env + 12], 0
    EXPECT [env + 20], 0
    .endif
    fld1
    fld dword ptr [two]
6:  fadd st, st(1)
    fnstcw [control]
    fldcw [control]
    fnstsw ax
    fwait
    fnclex
    mov eax, 5
    POINTERS 6b, 0, 0
    ret

# The block that ran last, not the one that was translated last; what is jumped over does not count.
over_branches:
    fninit
    fld1
    test ebp, 1
    jz 7f
6:  fabs
    jmp 8f
7:  fchs
8:  mov eax, 1
    test ebp, 1
    jz 9f
    POINTERS 6b, 0, 0
    ret
9:  POINTERS 7b, 0, 0
    ret

# An instruction for the interpreter between two of them.
middle:
    fninit
6:  fld1
    cpuid
    POINTERS 6b, 0, 0
7:  fldz
    mov eax, cr0
    mov cr0, eax
8:  fchs
    POINTERS 8b, 0, 0
    ret

# A fault behind the first and before the second: the pointer is the first's; the second's own operand faults too.
faulting:
    fninit
6:  fld1
    ARM 7f
    mov eax, [ABSENT]
    fldz
7:  DISARM
    EXPECT [exc_vector], 14
    POINTERS 6b, 0, 0
    ARM 9f
8:  fadd qword ptr [ABSENT]
    fchs
9:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_eip], (OFFSET 8b)
    POINTERS 6b, 0, 0
    ret

# Unmasked exceptions: opcode and operand, by every way of addressing; without an operand FDP stays.
operand:
    fninit
    UNMASK 0x37a                    # #I and #Z
    fld1
    mov ebx, OFFSET zero - 0x40
    mov ecx, 4
6:  fdiv dword ptr [ebx + ecx * 8 + 0x20]
    POINTERS 6b, 0x074, (OFFSET zero)
    fnclex
    UNMASK 0x37a
    fld1
    fchs
7:  fsqrt
    POINTERS 7b, 0x1fa, (OFFSET zero)
    fnclex
    UNMASK 0x37a
    fninit
    UNMASK 0x37a
    fld1
    mov edx, esp
    pushd 0
    pushd 0
8:  fdiv qword ptr [esp]            # (host code has another base register here)
    mov esp, edx
    lea edx, [edx - 8]
    fnstenv [env]
    .ifndef QEMU
    EXPECT [env + 12], (OFFSET 8b)
    EXPECT [env + 16], CODE0 | (0x434 << 16)
    EXPECT [env + 20], edx
    movzx eax, word ptr [env + 24]
    EXPECT eax, DATA0
    .endif
    fnclex
    fninit
    ret

# #MF comes at the next waiting instruction; the pointers are of the one that raised it.
waiting:
    fninit
    UNMASK 0x37b                    # #Z
    fld1
6:  fdiv dword ptr [zero]
    mov eax, 1
    .ifndef QEMU                    # (QEMU waits for WAIT)
    ARM 8f
7:  fld1
8:  DISARM
    EXPECT [exc_vector], 16
    EXPECT [exc_eip], (OFFSET 7b)
    .endif
    POINTERS 6b, 0x035, (OFFSET zero)
    fnclex
    # FNSAVE shows them and clears them.
    UNMASK 0x37b
9:  fdiv dword ptr [zero]
    fnsave [save]
    .ifndef QEMU
    EXPECT [save + 12], (OFFSET 9b)
    EXPECT [save + 20], (OFFSET zero)
    .endif
    fnstenv [env]
    .ifndef QEMU
    EXPECT [env + 12], 0
    EXPECT [env + 20], 0
    .endif
    ret

# FNCLEX drops the exception, and the pointers stay, all in one run.
cleared:
    fninit
    UNMASK 0x37b
    fld1
6:  fdiv dword ptr [zero]
    fnclex
7:  fchs
    POINTERS 7b, 0x035, (OFFSET zero)
    ret

# An exception that FLDCW unmasks is no instruction's: FIP alone stays behind.
unmasked_later:
    fninit
    fld1
6:  fdiv dword ptr [zero]
    UNMASK 0x37b
    POINTERS 6b, 0, 0
    fnclex
    fldcw [control]
    fld1
7:  fdiv dword ptr [zero]
    mov eax, 1
    POINTERS 7b, 0x035, (OFFSET zero)
    fnclex
    ret

# What FLDENV brings stays, but for FIP.
loaded:
    fninit
    fnstenv [env]
    mov dword ptr [env + 12], 0x12345678
    mov dword ptr [env + 16], 0x01230000 + 0x777
    mov dword ptr [env + 20], 0x87654321
    mov dword ptr [env + 24], 0x666
    fldenv [env]
    fnstenv [env]
    .ifndef QEMU
    EXPECT [env + 12], 0x12345678
    EXPECT [env + 16], 0x01230777
    .endif
6:  fld1
    POINTERS 6b, 0x123, 0x87654321
    movzx eax, word ptr [env + 24]
    .ifndef QEMU
    EXPECT eax, 0x666
    .endif
    fxsave [area]                   # the same in FXSAVE's places
    .ifndef QEMU
    EXPECT [area + 8], (OFFSET 6b)
    EXPECT [area + 16], 0x87654321
    movzx eax, word ptr [area + 6]
    EXPECT eax, 0x123
    .endif
    ret

# FDP is the offset in its segment, FDS the selector.
based:
    DESC SPARE, zero-0x100, 0xfffff, 0x93, 0xc0
    mov eax, SPARE
    mov fs, eax
    fninit
    UNMASK 0x37b
    fld1
6:  fdiv dword ptr fs:[0x100]
    POINTERS 6b, 0x035, 0x100
    .ifndef QEMU
    movzx eax, word ptr [env + 24]
    EXPECT eax, SPARE
    .endif
    fnclex
    fninit
    ret

    .section .data
    .balign 16
two: .float 2.0
zero: .long 0, 0
control: .long 0
    .section .bss
    .balign 16
env: .skip 28
    .balign 16
save: .skip 108
    .balign 16
area: .skip 512
