#! title = "Reset through the keyboard controller's line"
#! load = "multiboot"
#! serial = "on the way out\r\n"
#! end = "reset"
# Command FEh pulses bit 0 of the output port.
    .include "pm.inc"
main:
    PRINT "on the way out\r\n"
1:  in al, 0x64
    test al, 2
    jnz 1b
    mov al, 0xfe
    out 0x64, al
1:  jmp 1b                          # (an end may take its time)
