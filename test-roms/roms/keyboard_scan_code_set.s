#! title = "The keyboard's answer to 'which scan code set' passes through the controller's translation"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# With bit 6 of the configuration byte the 8042 translates all that the keyboard sends: 02h becomes 41h, 01h 43h, 03h 3Fh.
    .include "pm.inc"
    .macro DAT v
    mov al, \v
    out 0x60, al
    .endm
main:
    mov al, 0x60
    out 0x64, al
    DAT 0x44                            # translation, no interrupts, keyboard on
    DAT 0xf0
    call get
    EXPECT eax, 0xfa
    DAT 0
    call get
    EXPECT eax, 0xfa
    call get
    EXPECT eax, 0x41
    ret
get:
    in al, 0x64
    test al, 1
    jz get
    in al, 0x60
    movzx eax, al
    ret
