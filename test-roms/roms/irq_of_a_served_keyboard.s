#! title = "A keyboard answer taken by polling while IRQ 1 is masked leaves no interrupt behind"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# 8259A data sheet, edge-triggered mode: the request must stand until INTA; a line that has fallen asks for nothing
# (at most the default IR7 would come, had INTR reached the processor).
    .include "pm.inc"
    .include "pic.inc"
main:
    call pic_init                       # all masked
    GATE 0x21, handler
    mov al, 0x60
    out 0x64, al
    mov al, 0x45                        # interrupt on, keyboard on
    out 0x60, al
    mov al, 0xee                        # echo
    out 0x60, al
1:  in al, 0x64
    test al, 1
    jz 1b
    in al, 0x60
    movzx eax, al
    EXPECT eax, 0xee
    mov al, 0x0a
    out 0x20, al
    in al, 0x20                         # IRR
    and eax, 2
    EXPECT eax, 0
    UNMASK 2
    sti
    mov ecx, 1000
2:  in al, 0x61
    loop 2b
    cli
    EXPECT [irqs], 0
    ret
handler:
    inc dword ptr [irqs]
    EOI
    iretd
    .section .bss
    .balign 4
irqs: .skip 4
