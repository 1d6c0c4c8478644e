#! title = "A triple fault ends the run"
#! load = "multiboot"
#! serial = "on the way out\r\n"
#! end = "triple-fault"
# docs/traps.md 22. SDM volume 3A, 6.15 (#DF): a fault while #DF is delivered shuts the processor down, which a PC answers with
# a reset.
    .include "pm.inc"
main:
    PRINT "on the way out\r\n"
    lidt [nothing]
    ud2
    FAIL
    .section .data
nothing: .word 0
    .long 0
