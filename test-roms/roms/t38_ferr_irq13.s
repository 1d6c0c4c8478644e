#! title = "FERR#: with CR0.NE clear an x87 error becomes IRQ 13, at the next waiting instruction; port F0h; IGNNE#"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 38. SDM volume 1, appendix D (guidelines for writing x87 exception handlers), D.1 and D.2.1: the PC's wiring.
    .include "pm.inc"
    .include "pic.inc"
    .set IRQ13, 0x2d

main:
    .ifdef QEMU                     # (QEMU 7.2 aborts at the first FERR#)
    ret
    .endif
    mov eax, cr0
    and eax, ~0x2c                  # no NE, no EM, no TS
    or eax, 2
    mov cr0, eax
    call pic_init
    UNMASK 0x2004                   # IRQ 13, through IRQ 2
    GATE IRQ13, on_irq13
    fninit
    mov word ptr [control], 0x37b   # #Z
    fldcw [control]
    fld1
    sti

    # Nothing comes at the instruction that raises it, nor at those that do not wait.
1:  fdiv dword ptr [zero]
    fnstsw ax
    mov ecx, 1000
2:  dec ecx
    jnz 2b
    and eax, 0x8084
    EXPECT eax, 0x8084              # B, ES, ZE
    EXPECT [count], 0

    # The next waiting instruction does not run before the interrupt; the handler finds it as the return address.
3:  fwait
    nop
    EXPECT [count], 1
    EXPECT [where], (OFFSET 3b)
    # The handler cleared it: everything goes on.
    fld1
    fstp st(0)
    EXPECT [count], 1

    # A computing instruction waits likewise, and runs afterwards.
    fninit
    fldcw [control]
    fld1
    fdiv dword ptr [zero]
4:  fld1
    EXPECT [count], 2
    EXPECT [where], (OFFSET 4b)
    fstp dword ptr [result]
    EXPECT [result], 0x3f800000

    # Many times, so that the code is translated.
    mov ebp, 50
5:  fninit
    fldcw [control]
    fld1
    fdiv dword ptr [zero]
    fchs
    dec ebp
    jnz 5b
    EXPECT [count], 52
    cli
    ret

# The handler of the PC's firmware: drops the request, ends the interrupt, clears the exception.
on_irq13:
    push eax
    inc dword ptr [count]
    mov eax, [esp + 4]
    mov [where], eax
    xor eax, eax
    out 0xf0, al
    mov al, 0x20
    out 0xa0, al
    out 0x20, al
    fnclex
    pop eax
    iretd

    .section .data
    .balign 8
zero: .long 0
control: .long 0
count: .long 0
where: .long 0
result: .long 0
