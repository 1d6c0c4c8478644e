#! title = "A picture in mode 13h (docs/screen.md)"
#! load = "multiboot"
#! serial = "READY\r\n"
#! end = "dead-halt"
    .include "pm.inc"
    .include "vga.inc"
    .section .text
main:
    mov esi, OFFSET vga_mode_13
    call vga_mode
    call colours
    mov edi, 0xa0000
    xor ebx, ebx                    # the line
1:  xor ecx, ecx                    # the column
2:  mov eax, ecx
    xor eax, ebx
    mov [edi], al
    inc edi
    inc ecx
    cmp ecx, 320
    jb 2b
    inc ebx
    cmp ebx, 200
    jb 1b
    STAY
    .include "colours.inc"
