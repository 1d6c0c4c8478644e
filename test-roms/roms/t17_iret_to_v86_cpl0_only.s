#! title = "EFLAGS.VM is loaded by IRETD at CPL 0 and by a task switch, by nothing else"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 17. SDM volume 2, IRET; volume 3A, 20.2.5. At CPL 1 to 3 the image's VM bit is ignored, the frame is an ordinary
# one; POPF and the 16-bit IRET never load it. QEMU obeys it at CPL 3 (its issue 3583).
    .include "pm.inc"
    .set CODE1, SPARE + 1
    .set DATA1, SPARE + 8 + 1
    .set TSS_B, SPARE + 0x10

# A V86 frame on the stack, EIP and CS on top.
.macro V86_FRAME eflags
    pushd 0x4444
    pushd 0x3333
    pushd 0x2222
    pushd 0x1111
    pushd 0x2000
    pushd 0xff00
    pushd \eflags
    pushd 0x1000
    pushd 0
.endm

main:
    mov dword ptr [rounds], 20
    mov word ptr [0x10000], 0x0b0f  # UD2 at 1000:0
again:
    # CPL 0: enters, all segments from the frame.
    ARM 1f
    V86_FRAME 0x20002
    iretd
1:  DISARM
    EXPECT [exc_vector], 6
    EXPECT [exc_cs], 0x1000
    EXPECT [exc_eip], 0
    EXPECT [exc_ss], 0x2000
    EXPECT [exc_esp], 0xff00
    mov eax, [exc_eflags]
    and eax, 0x20000
    EXPECT eax, 0x20000
    mov ebx, [exc_frame]
    EXPECT "dword ptr [ebx + 20]", 0x1111
    EXPECT "dword ptr [ebx + 24]", 0x2222
    EXPECT "dword ptr [ebx + 28]", 0x3333
    EXPECT "dword ptr [ebx + 32]", 0x4444

    # The 16-bit form at CPL 0 cannot: its image has no VM. Nor can POPFD.
    pushd 0x20202
    popfd
    pushfd
    pop eax
    cli
    EXPECT eax, 0x202
    .ifndef QEMU
    # CPL 1: an ordinary return to CPL 3, VM ignored.
    DESC CODE1, 0, 0xfffff, 0xba, 0xc0
    DESC DATA1, 0, 0xfffff, 0xb2, 0xc0
    mov dword ptr [tss + 12], OFFSET stack0_irq_top
    mov dword ptr [tss + 16], DATA1
    ARM 1f
    push DATA1
    pushd OFFSET stack3_top
    pushd 0x3002
    push CODE1
    pushd OFFSET ring1
    iretd
ring1:
    push DATA3
    pushd OFFSET stack3_top - 0x800
    pushd 0x20047
    push CODE3
    pushd OFFSET 2f
    iretd
2:  mov eax, cs
    mov ecx, ss
    pushfd
    pop edx
    int 0x30
1:  DISARM
    EXPECT [exc_vector], 0x30
    EXPECT eax, CODE3
    EXPECT ecx, DATA3
    EXPECT edx, 0x3047
    EXPECT [exc_esp], (OFFSET stack3_top-0x800)
    # CPL 3 with IOPL 0 and 3.
    jmp 2f
1:  pushd 0x20047
    push CODE3
    pushd OFFSET 3f
    iretd
3:  mov eax, cs
    mov ecx, esp
    pushfd
    pop edx
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT eax, CODE3
    EXPECT ecx, (OFFSET stack3_top)
    EXPECT edx, 0x47
    RING3 1b, 0x3002
    EXPECT edx, 0x3047
    # A V86 frame at CPL 3 whose CS is no selector of CPL 3: #GP, as for any return.
    jmp 2f
1:  V86_FRAME 0x20002
4:  iretd
2:  RING3 1b
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0x1000
    EXPECT [exc_eip], (OFFSET 4b)
    .endif
    # EIP beyond 64 KiB: #GP(0) at the IRET, still CPL 0.
    .ifndef QEMU
    mov ebp, esp
    V86_FRAME 0x20002
    mov dword ptr [esp], 0x10000
    FAULTS 13, 0, iretd
    EXPECT [exc_cs], CODE0
    mov esp, ebp
    .endif
    # A task whose image has VM runs in V86 mode.
    mov edi, OFFSET tss_b
    mov ecx, 26
    xor eax, eax
    rep stosd
    mov dword ptr [tss_b + 4], OFFSET stack0_irq_top
    mov dword ptr [tss_b + 8], DATA0
    mov dword ptr [tss_b + 36], 0x20002
    mov dword ptr [tss_b + 40], 0x5678
    mov dword ptr [tss_b + 56], 0xff00
    mov dword ptr [tss_b + 76], 0x1000
    mov dword ptr [tss_b + 80], 0x2000
    mov dword ptr [tss_b + 84], 0x7777
    mov dword ptr [tss_b + 100], 104 << 16
    DESC TSS_B, tss_b, 103, 0x89, 0
    ARM 1f
    jmp TSS_B:0
1:  DISARM
    clts
    EXPECT [exc_vector], 6
    EXPECT [exc_cs], 0x1000
    EXPECT [exc_eip], 0
    EXPECT [exc_ss], 0x2000
    EXPECT eax, 0x5678
    mov ebx, [exc_frame]
    EXPECT "dword ptr [ebx + 24]", 0x7777
    and byte ptr [gdt + TSS0 + 5], 0xfd
    mov eax, TSS0
    ltr ax
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 4
tss_b: .skip 104
rounds: .skip 4
