#! title = "A page fault on the stack that exceptions need: #PF, #DF, shutdown"
#! load = "multiboot"
#! serial = "to the end\r\n"
#! end = "triple-fault"
# docs/traps.md 22. SDM volume 3A, 6.15 (#DF): a page fault during the delivery of a double fault shuts the processor down.
    .include "pm.inc"
    .include "paging.inc"

main:
    call paging_on
    PRINT "to the end\r\n"
    mov esp, WINDOW + 0x1000
    push eax
    FAIL
