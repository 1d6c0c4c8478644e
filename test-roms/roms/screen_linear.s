#! title = "A picture of 800 by 600 in 16 bits a pixel, in the frame buffer (docs/screen.md)"
#! load = "multiboot"
#! serial = "READY\r\n"
#! end = "dead-halt"
    .include "pm.inc"
    .include "vga.inc"
    .section .text
main:
    PCI_SET 0x10, FRAME
    PCI_SET 4, 2
    DISPI 4, 0
    DISPI 1, 800
    DISPI 2, 600
    DISPI 3, 16
    DISPI 4, 0x41
    mov edi, FRAME
    xor ebx, ebx
1:  xor ecx, ecx
2:  mov eax, ecx
    imul eax, ebx
    add eax, ecx
    mov [edi], ax
    add edi, 2
    inc ecx
    cmp ecx, 800
    jb 2b
    inc ebx
    cmp ebx, 600
    jb 1b
    STAY
