#! title = "Reset through port CF9h"
#! load = "multiboot"
#! serial = "on the way out\r\n"
#! end = "reset"
# Intel chipset data sheets, reset control register: 02h, then 06h.
    .include "pm.inc"
main:
    PRINT "on the way out\r\n"
    mov dx, 0xcf9
    mov al, 2
    out dx, al
    mov al, 6
    out dx, al
1:  jmp 1b                          # (an end may take its time)
