#! title = "MOV SS and POP SS hold back interrupts and debug traps for one instruction"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 26. SDM volume 3A, 6.8.3 (masking exceptions and interrupts when switching stacks); volume 2, MOV, POP, LSS.
    .include "pm.inc"
    .include "pic.inc"
    .set WATCH0, 0x702              # G0, exact
    .set RW0_ANY_4, (3 << 16) | (3 << 18)

# Runs the two lines of `sequence` (which end at 2f and 3f) with TF set by the POPFD before them.
.macro WITH_TF
    pushfd
    or dword ptr [esp], 0x100
    popfd
.endm

main:
    mov edx, DATA0
    xor ebx, ebx

    # The single-step trap after MOV SS comes one instruction late.
    ARM 3f
    WITH_TF
    mov ss, edx
1:  inc ebx
2:  inc ebx
3:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 2b)
    EXPECT ebx, 1

    xor ebx, ebx
    push edx
    ARM 3f
    sub dword ptr [exc_resume_esp], -4
    WITH_TF
    pop ss
1:  inc ebx
2:  inc ebx
3:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 2b)
    EXPECT ebx, 1

    .ifndef QEMU                    # (QEMU gives LSS a shadow)
    # LSS has no shadow.
    xor ebx, ebx
    mov [pointer], esp
    ARM 3f
    WITH_TF
    lss esp, [pointer]
1:  inc ebx
2:  inc ebx
3:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 1b)
    EXPECT ebx, 0
    .endif

    .ifndef QEMU                    # (QEMU loses the breakpoint)
    # A data breakpoint on the operand of MOV SS: its trap comes after the next instruction too.
    mov eax, OFFSET selector
    mov dr0, eax
    mov eax, WATCH0 | RW0_ANY_4
    mov dr7, eax
    xor eax, eax
    mov dr6, eax
    xor ebx, ebx
    ARM 3f
    mov ss, [selector]
1:  inc ebx
2:  inc ebx
3:  DISARM
    mov eax, 0x400
    mov dr7, eax
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 2b)
    EXPECT ebx, 1
    mov eax, dr6
    and eax, 0xf
    EXPECT eax, 1
    .endif

    # An interrupt that waits is taken after the instruction behind MOV SS, not between them.
    call pic_init
    UNMASK 1
    GATE 0x20, (vector_stubs+0x20*16)
    PIT0 0, 100
    call wait_irq0
    xor ebx, ebx
    ARM 3f
    pushfd
    or dword ptr [esp], 0x200
    cli
    mov ss, edx                     # with IF clear: no matter
    mov ecx, 4
    sti                             # the shadow of STI covers MOV SS
    mov ss, edx                     # ... and that of MOV SS, where there is one, the next
1:  inc ebx
2:  inc ebx
    inc ebx
3:  DISARM
    cli
    EXPECT [exc_vector], 0x20
    cmp ebx, 2                      # 0 or 1: processors need not honour the second of two shadows in a row
    setb al
    movzx eax, al
    EXPECT eax, 1
    EOI

    # With IF set already, by a POPFD directly before it, MOV SS is reached or not, but never split.
    mov ecx, 200
4:  PIT0 0, 20
    call wait_irq0
    xor ebx, ebx
    ARM 3f
    pushfd
    or dword ptr [esp], 0x200
    popfd                           # taken here at the latest: POPF has no shadow
    mov ss, edx
1:  mov ebx, 1
2:  mov ebx, 2
3:  DISARM
    cli
    EXPECT [exc_vector], 0x20
    EXPECT ebx, 0
    EOI
    dec ecx
    jnz 4b
    ret

# Until the controller has the request of line 0.
wait_irq0:
    push eax
1:  mov al, 0x0a                    # read IRR
    out 0x20, al
    in al, 0x20
    test al, 1
    jz 1b
    pop eax
    ret

    .section .data
selector: .long DATA0
pointer: .long 0
    .word DATA0
