#! title = "A kernel started by Multiboot finds the BIOS data area that its memory map speaks of"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# Xen computes where its trampoline goes from 40:0E (EBDA segment) and 40:13 (KiB of base memory); kernels take
# COM1's port from 40:00. A PC's BIOS leaves all three there, whatever boots.
    .include "pm.inc"
main:
    movzx eax, word ptr ds:[0x413]
    EXPECT eax, 639
    movzx eax, word ptr ds:[0x40e]
    EXPECT eax, 0x9fc0
    movzx eax, word ptr ds:[0x400]
    EXPECT eax, 0x3f8
    ret
