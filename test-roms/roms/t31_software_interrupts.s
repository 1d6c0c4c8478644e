#! title = "INT1, INT3, INTO, INT n: who checks the gate's DPL, who asks for IOPL in V86 mode, what is pushed"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 31. SDM volume 2, INT n; volume 3A, 6.12.1.2, 20.2 and 20.3.2. INT1 (F1h) is a hardware event as far as privilege goes;
# INT3 (CCh) and INTO ask the gate but never IOPL; INT n (CDh 03h too) asks both in V86 mode. QEMU takes F1h for INT n.
    .include "pm.inc"
    .include "pic.inc"
    .set V86_BASE, 0x10000

.macro GATES type
    GATE 1, (vector_stubs+1*16), \type
    GATE 3, (vector_stubs+3*16), \type
    GATE 4, (vector_stubs+4*16), \type
    GATE 0x25, (vector_stubs+0x25*16), \type
.endm
# A trap of `vector` at CPL 3, reported behind the instruction; no error code: the frame is five dwords.
.macro TRAPS3 vector, insn:vararg
    jmp 777f
776: mov al, 0x7f
    add al, 1                       # OF
    \insn
778: int 0x30
777: RING3 776b, 0x202
    EXPECT [exc_vector], \vector
    EXPECT [exc_eip], (OFFSET 778b)
    EXPECT [exc_cs], CODE3
    EXPECT [exc_frame], (OFFSET stack0_irq_top-20)
    mov eax, [exc_eflags]
    and eax, 0x10a00                # RF clear, OF and IF as they were
    EXPECT eax, 0xa00
.endm
.macro REFUSED3 vector, insn:vararg
    jmp 777f
776: mov al, 0x7f
    add al, 1
778: \insn
    int 0x30
777: RING3 776b, 0x202
    EXPECT [exc_vector], 13
    EXPECT [exc_error], \vector*8+2
    EXPECT [exc_eip], (OFFSET 778b)
    .ifndef QEMU                    # (QEMU leaves RF)
    mov eax, [exc_eflags]
    and eax, 0x10a00                # a fault: RF set
    EXPECT eax, 0x10a00
    .endif
.endm
.macro V86 code, eflags
    mov dword ptr [V86_BASE], \code
    mov dword ptr [V86_BASE + 4], 0x0b0f0b0f
    ARM 779f
    pushd 0
    pushd 0
    pushd 0x2000
    pushd 0x2000
    pushd 0x2000
    pushd 0xff00
    pushd \eflags
    pushd 0x1000
    pushd 0
    iretd
779: DISARM
.endm
.macro V86_IS vector, error, eip
    EXPECT [exc_vector], \vector
    EXPECT [exc_error], \error
    EXPECT [exc_eip], \eip
    EXPECT [exc_cs], 0x1000
.endm

main:
    call pic_init                   # no line may interrupt code with IF set
    mov dword ptr [rounds], 20
again:
    # DPL 0: CPL 0 passes everywhere, CPL 3 nowhere but INT1.
    GATES 0x8e
    TRAPS 3, int3
    TRAPS 3, .byte 0xcd, 3
    TRAPS 0x25, int 0x25
    mov al, 0x7f
    add al, 1
    TRAPS 4, into
    TRAPS 4, .byte 0xcd, 4
    REFUSED3 3, int3
    REFUSED3 3, .byte 0xcd, 3
    REFUSED3 4, into
    REFUSED3 4, .byte 0xcd, 4
    REFUSED3 1, .byte 0xcd, 1
    REFUSED3 0x25, int 0x25
    .ifndef QEMU
    TRAPS 1, .byte 0xf1
    TRAPS3 1, .byte 0xf1
    .endif
    # V86 mode, DPL 0.
    V86 0xcc, 0x20002
    V86_IS 13, 3*8+2, 0
    V86 0xcc, 0x23002
    V86_IS 13, 3*8+2, 0
    V86 0xce, 0x20802
    V86_IS 13, 4*8+2, 0
    V86 0x25cd, 0x20002
    V86_IS 13, 0, 0                 # IOPL comes before the gate
    V86 0x25cd, 0x23002
    V86_IS 13, 0x25*8+2, 0
    .ifndef QEMU
    V86 0xf1, 0x20002
    V86_IS 1, 0, 1
    .endif
    # DPL 3.
    GATES 0xee
    TRAPS3 3, int3
    TRAPS3 3, .byte 0xcd, 3
    TRAPS3 4, into
    TRAPS3 4, .byte 0xcd, 4
    TRAPS3 1, .byte 0xcd, 1
    TRAPS3 0x25, int 0x25
    V86 0xcc, 0x20002
    V86_IS 3, 0, 1
    V86 0xce, 0x20802
    V86_IS 4, 0, 1
    V86 0xb0f90ce, 0x20002          # OF clear: INTO, NOP, UD2
    V86_IS 6, 0, 2
    V86 0x03cd, 0x20002             # CD 03 is INT n: IOPL
    V86_IS 13, 0, 0
    V86 0x03cd, 0x23002
    V86_IS 3, 0, 2
    V86 0x25cd, 0x20002
    V86_IS 13, 0, 0
    V86 0x25cd, 0x23002
    V86_IS 0x25, 0, 2
    # An absent gate: #NP, EXT clear for INT3, INTO, INT n, set for INT1.
    GATES 0x0e
    FAULTS 11, 3*8+2, int3
    mov al, 0x7f
    add al, 1
    FAULTS 11, 4*8+2, into
    FAULTS 11, 0x25*8+2, int 0x25
    .ifndef QEMU
    FAULTS 11, 1*8+3, .byte 0xf1
    .endif
    # INTO with OF clear does nothing.
    xor eax, eax
    into
    # A trap gate keeps IF, an interrupt gate clears it; VM, NT, TF, RF are clear in the handler; IRET brings them back.
    GATE 0x25, look, 0x8f
    pushd 0x4202
    popfd
    int 0x25
    pushfd
    pop ecx
    pushd 2
    popfd
    EXPECT eax, 0x202
    and ecx, 0x4202
    EXPECT ecx, 0x4202
    GATE 0x25, look, 0x8e
    pushd 0x4202
    popfd
    int 0x25
    pushd 2
    popfd
    EXPECT eax, 2
    dec dword ptr [rounds]
    jnz again
    ret

look:
    pushfd
    pop eax
    iretd

    .section .bss
    .balign 4
rounds: .skip 4
