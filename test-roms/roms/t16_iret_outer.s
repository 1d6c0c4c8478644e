#! title = "IRET and RETF to an outer ring: both stacks, nulled data segments, every refusal"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 16, 27. SDM volume 2, IRET and RET; volume 3A, 5.8 and 6.12.
    .include "pm.inc"
    .set CODE1, SPARE + 1
    .set DATA1, SPARE + 8 + 1
    .set CODE3_CONFORMING, SPARE + 0x10
    .set CODE16_3, SPARE + 0x18 + 3
    .set DATA16_3, SPARE + 0x20 + 3

.macro FRAME cs, ss, eip, eflags=2, esp=stack3_top
    pushd \ss
    pushd OFFSET \esp
    pushd \eflags
    pushd \cs
    pushd OFFSET \eip
.endm

# IRET with the frame above must fault with the error code, at the IRET, its frame still there.
.macro IRET_FAULTS vector, error, cs, ss, eip=user
    ARM 779f
    FRAME \cs, \ss, \eip
    mov ebx, esp
778: iretd
779: DISARM
    EXPECT [exc_vector], \vector
    EXPECT [exc_error], \error
    EXPECT [exc_eip], (OFFSET 778b)
    mov eax, [exc_frame]
    add eax, 12
    EXPECT eax, ebx                 # the fault's frame is right below IRET's
.endm

main:
    DESC CODE1, 0, 0xfffff, 0xba, 0xc0
    DESC DATA1, 0, 0xfffff, 0xb2, 0xc0
    DESC CODE3_CONFORMING, 0, 0xfffff, 0x9e, 0xc0
    DESC CODE16_3, 0, 0xffff, 0xfa, 0
    DESC DATA16_3, stack3_top-0x1000, 0xfff, 0xf2, 0

    # Outward: ESP and SS from the frame; DS .. GS of an inner ring become null, others stay.
    mov eax, DATA3
    mov es, eax
    mov eax, CODE3_CONFORMING       # conforming code may stay whatever its DPL is
    mov gs, eax
    ARM 1f
    FRAME CODE3, DATA3, user, 0x247
    mov eax, 3                      # a null selector loses its RPL too
    mov ds, eax
    iretd
user:
    mov eax, ds
    mov ebx, es
    mov ecx, fs
    mov edx, gs
    mov esi, esp
    pushfd
    pop edi
    int 0x30
1:  DISARM
    EXPECT [exc_vector], 0x30
    EXPECT eax, 0
    EXPECT ebx, DATA3
    EXPECT ecx, 0
    EXPECT edx, CODE3_CONFORMING
    EXPECT esi, (OFFSET stack3_top)
    EXPECT edi, 0x247
    EXPECT [exc_esp], (OFFSET stack3_top)
    EXPECT [exc_ss], DATA3
    EXPECT [exc_cs], CODE3
    # The interrupt took its stack from the TSS.
    EXPECT [exc_frame], (OFFSET stack0_irq_top-20)

    # To ring 1, and from there by IRET to ring 3, which cannot raise IOPL or IF.
    mov dword ptr [tss + 12], OFFSET stack0_irq_top
    ARM 1f
    FRAME CODE1, DATA1, ring1, 2, stack3_top
    iretd
ring1:
    mov eax, cs
    mov ebx, ss
    mov ecx, DATA1
    mov ds, ecx
    pushd DATA3
    pushd OFFSET stack3_top - 0x800
    pushd 0x3202
    pushd CODE3
    pushd OFFSET 2f
    iretd
2:  pushfd
    pop edx
    mov ecx, ds
    int 0x30
1:  DISARM
    EXPECT [exc_vector], 0x30
    EXPECT eax, CODE1
    EXPECT ebx, DATA1
    EXPECT ecx, 0
    EXPECT edx, 2

    # Refusals.
    IRET_FAULTS 13, 0, 0, DATA3                         # null CS
    IRET_FAULTS 13, DATA3-3, DATA3, DATA3               # CS is data
    IRET_FAULTS 13, CODE3-3, CODE3-2, DATA3             # RPL 1, DPL 3
    IRET_FAULTS 13, 0, CODE3, 0                         # null SS
    IRET_FAULTS 13, DATA0, CODE3, DATA0                 # SS of another ring
    IRET_FAULTS 13, CODE3-3, CODE3, CODE3               # SS is code
    IRET_FAULTS 13, 0x8000, 0x8003, DATA3               # beyond the table
    DESC SPARE+0x28, 0, 0xfffff, 0x7a, 0xc0
    IRET_FAULTS 11, SPARE+0x28, SPARE+0x28+3, DATA3     # CS absent
    DESC SPARE+0x30, 0, 0xfffff, 0x72, 0xc0
    ARM 779f                        # SS absent: #SS in the SDM's pseudocode, #NP in the 386 manual and in QEMU
    FRAME CODE3, SPARE+0x30+3, user
    iretd
779: DISARM
    EXPECT [exc_error], SPARE+0x30
    mov eax, [exc_vector]
    sub eax, 11
    shr eax, 1
    EXPECT eax, 0
    .ifndef QEMU
    DESC SPARE+0x38, 0, 0xfff, 0xfa, 0x40
    IRET_FAULTS 13, 0, SPARE+0x38+3, DATA3, 0x1000      # EIP beyond the new limit
    .endif

    # The 16-bit form to a 16-bit ring 3: words on the stack, SP of a 16-bit stack.
    mov byte ptr [0x7000], 0xcd     # INT 30h at 7000h
    mov byte ptr [0x7001], 0x30
    ARM 1f
    pushw DATA16_3
    pushw 0xff0
    pushw 0x47
    pushw CODE16_3
    pushw 0x7000
    iretw
1:  DISARM
    EXPECT [exc_vector], 0x30
    EXPECT [exc_cs], CODE16_3
    EXPECT [exc_eip], 0x7002
    EXPECT [exc_ss], DATA16_3
    movzx eax, word ptr [exc_esp]
    EXPECT eax, 0xff0
    mov eax, [exc_eflags]
    and eax, 0xffff
    EXPECT eax, 0x47

    # RETF n to an outer ring releases parameters on both stacks.
    ARM 1f
    pushd DATA3
    pushd OFFSET stack3_top - 64
    pushd 2
    pushd 1
    pushd CODE3
    pushd OFFSET 3f
    retf 8
3:  mov eax, esp
    int 0x30
1:  DISARM
    EXPECT [exc_vector], 0x30
    EXPECT eax, (OFFSET stack3_top-56)

    # IRET at CPL 3 to CPL 3; to CPL 0 it may not.
    jmp 2f
1:  pushfd
    pushd CODE3
    pushd OFFSET 3f
    iretd
3:  mov eax, 0x1e77
    int 0x30
2:  RING3 1b
    EXPECT eax, 0x1e77
    jmp 2f
1:  pushfd
    pushd CODE0
    pushd OFFSET 3b
4:  iretd
2:  RING3 1b
    EXPECT [exc_vector], 13
    EXPECT [exc_error], CODE0
    EXPECT [exc_eip], (OFFSET 4b)

    # IRET within ring 0: SS:ESP are not popped.
    mov ebp, esp
    pushfd
    push cs
    pushd OFFSET 1f
    iretd
1:  mov eax, esp
    EXPECT eax, ebp
    ret
