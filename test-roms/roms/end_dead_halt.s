#! title = "A halt that nothing can wake: interrupts on, all lines masked, the timer running"
#! load = "multiboot"
#! serial = "good night\r\n"
#! end = "dead-halt"
# HLT ends with an unmasked interrupt (SDM volume 2, HLT); the controllers let none through. QEMU would wait for ever.
    .include "pm.inc"
main:
    PRINT "good night\r\n"
    .ifdef QEMU
    mov al, 0
    out 0xf4, al
    .endif
    mov al, 0x34                    # channel 0 counts, periodically
    out 0x43, al
    mov al, 0xff
    out 0x40, al
    out 0x40, al
    out 0x21, al
    out 0xa1, al
    sti
1:  hlt
    jmp 1b
