#! title = "RF: in the frames of faults, not of traps; through IRET for one instruction; between repetitions"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 29. SDM volume 3A, 17.3.1.1 (instruction-breakpoint exception condition), 6.8.3; volume 1, 3.4.3.3.
    .include "pm.inc"
    .include "paging.inc"
    .include "pic.inc"
    .set RF, 0x10000
    .set EXECUTE0, 0x702            # G0, LE/GE, bit 10: an instruction breakpoint

.macro FRAME_RF want
    mov eax, [exc_eflags]
    and eax, RF
    EXPECT eax, \want
.endm
.macro BREAK_AT label
    mov eax, OFFSET \label
    mov dr0, eax
    mov eax, EXECUTE0
    mov dr7, eax
    xor eax, eax
    mov dr6, eax
.endm
.macro NO_BREAK
    mov eax, 0x400
    mov dr7, eax
.endm

main:
    # What software sees of it: nothing. POPFD does not set it.
    pushd RF + 2
    popfd
    pushfd
    pop eax
    and eax, RF
    EXPECT eax, 0

    .ifndef QEMU                    # (QEMU never sets it in a frame)
    # Faults.
    FAULTS 6, 0, ud2
    FRAME_RF RF
    xor ecx, ecx
    FAULTS 0, 0, div ecx
    FRAME_RF RF
    mov eax, 0x7f8
    FAULTS 13, 0x7f8, mov ds, eax
    FRAME_RF RF
    call paging_on
    FAULTS 14, 0, mov al, [WINDOW]
    FRAME_RF RF
    FAULTS3 13, 0, hlt
    FRAME_RF RF
    .endif
    # Traps, and interrupts by software.
    TRAPS 3, int3
    FRAME_RF 0
    TRAPS 0x21, int 0x21
    FRAME_RF 0
    mov al, 0x7f
    add al, 1
    TRAPS 4, into
    FRAME_RF 0
    ARM 2f
    pushfd
    or dword ptr [esp], 0x100
    popfd
    nop
1:  nop
2:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 1b)
    FRAME_RF 0

    # An IRET that sets RF passes the breakpoint on its target once; the loop comes round to it.
    xor ebx, ebx
    BREAK_AT 3f
    ARM 4f
    pushd RF + 2
    push cs
    pushd OFFSET 3f
    iretd
3:  inc ebx
    cmp ebx, 10
    jb 3b
4:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 3b)
    EXPECT ebx, 1
    # ... and only for the one instruction: a breakpoint on the next one hits.
    xor ebx, ebx
    BREAK_AT 6f
    ARM 7f
    pushd RF + 2
    push cs
    pushd OFFSET 5f
    iretd
5:  inc ebx
6:  inc ebx
7:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 6b)
    EXPECT ebx, 1
    NO_BREAK

    .ifndef QEMU                    # (QEMU forgets it after the first repetition)
    # A REP with its breakpoint passed by RF runs all its repetitions without another.
    BREAK_AT 8f
    mov edi, OFFSET area
    mov ecx, 100
    xor eax, eax
    ARM 9f
    pushd RF + 2
    push cs
    pushd OFFSET 8f
    iretd
8:  rep stosb
9:  DISARM
    EXPECT [exc_vector], -1
    EXPECT ecx, 0
    NO_BREAK

    # A fault in the middle of a REP has RF too, and one that is interrupted there.
    mov edi, WINDOW - 8
    mov ecx, 100
    xor eax, eax
    ARM 11f
10: rep stosb es:[edi], al
11: DISARM
    EXPECT [exc_vector], 14
    EXPECT ecx, 92
    FRAME_RF RF
    call pic_init
    UNMASK 1
    GATE 0x20, (vector_stubs+0x20*16)
    PIT0 0, 50
    mov edi, OFFSET area
    mov esi, 0xa0000                # device memory: each repetition takes a microsecond of virtual time
    mov ecx, 0x1000
    ARM 13f
    sti
    nop
12: rep lodsb al, [esi]
13: DISARM
    cli
    EXPECT [exc_vector], 0x20
    EXPECT [exc_eip], (OFFSET 12b)
    FRAME_RF RF
    cmp ecx, 0x1000
    setb al
    movzx eax, al
    EXPECT eax, 1
    EOI
    .endif
    ret

    .section .bss
area: .skip 128
