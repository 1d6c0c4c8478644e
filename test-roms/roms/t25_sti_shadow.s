#! title = "The STI shadow, STI;HLT, STI;CLI, the MOV SS shadow, HLT woken by the timer"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 25, 26. SDM volume 2, STI, CLI, HLT, MOV, POP; volume 3A, 6.8.3.
    .include "pm.inc"
    .include "pic.inc"

# Makes IRQ 0 pending with interrupts off, and keeps it so.
make_pending:
    push eax
    cli
    mov dword ptr [irq_eip], 0
    mov dword ptr [irq_count], 0
    PIT0 0, 100                     # one shot
    UNMASK 1
1:  mov al, 0x0a                    # wait until the request register shows it
    out 0x20, al
    in al, 0x20
    test al, 1
    jz 1b
    pop eax
    ret

main:
    call pic_init
    GATE 0x20, irq_handler
    mov ecx, 20
again:
    call make_pending
    sti
    nop
1:  nop
    EXPECT [irq_count], 1
    EXPECT [irq_eip], (OFFSET 1b)   # after the instruction that follows STI

    call make_pending
    sti
    cli                             # never open
    nop
    nop
    EXPECT [irq_count], 0
    sti
    hlt                             # HLT runs, then is woken at once
2:  cli
    EXPECT [irq_count], 1
    EXPECT [irq_eip], (OFFSET 2b)

    call make_pending
    pushfd                          # POPF has no shadow: the interrupt comes before the next instruction
    or dword ptr [esp], 0x200
    popfd
3:  nop
    cli
    EXPECT [irq_count], 1
    EXPECT [irq_eip], (OFFSET 3b)

    call make_pending               # nor has IRET
    pushd 0x202
    push cs
    pushd OFFSET 4f
    iretd
4:  nop
    cli
    EXPECT [irq_eip], (OFFSET 4b)

    call make_pending               # a second STI does not begin a new shadow
    sti
    sti
5:  nop
    cli
    EXPECT [irq_eip], (OFFSET 5b)

    mov eax, ss                     # MOV SS behind a POPF that opens: the interrupt comes before it, not inside
    call make_pending
    pushfd
    or dword ptr [esp], 0x200
    mov ebx, esp
    popfd
6:  mov ss, eax
    mov esp, esp
    cli
    EXPECT [irq_eip], (OFFSET 6b)
    dec ecx
    jnz again

    # A closed line: the request waits for the mask.
    cli
    mov ecx, 20
shadow:
    call make_pending
    mov al, 0xff
    out 0x21, al                    # the line is closed, the request stays
    sti
    nop
    nop
    EXPECT [irq_count], 0
    mov al, 0xfe
    out 0x21, al                    # open: the interrupt comes, as soon as the controller has raised its line
    in al, 0x61
    jmp 1f
1:  nop
    cli
    EXPECT [irq_count], 1
    dec ecx
    jnz shadow

    # HLT sleeps until the timer says so, many times; the interrupt returns behind it.
    mov dword ptr [irq_count], 0
    PIT0 2, 1193
    mov ecx, 20
7:  sti
    hlt
8:  cli
    EXPECT [irq_eip], (OFFSET 8b)
    dec ecx
    jnz 7b
    EXPECT [irq_count], 20
    # HLT in a loop with interrupts open all the time.
    mov dword ptr [irq_count], 0
    sti
9:  hlt
    cmp dword ptr [irq_count], 20
    jb 9b
    cli
    UNMASK 0
    ret

irq_handler:
    push eax
    mov eax, [esp + 4]
    mov [irq_eip], eax
    inc dword ptr [irq_count]
    mov al, 0x20
    out 0x20, al
    pop eax
    iretd

    .section .bss
    .balign 4
irq_eip: .skip 4
irq_count: .skip 4
