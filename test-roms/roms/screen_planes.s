#! title = "A picture in mode 12h, drawn through the planes (docs/screen.md)"
#! load = "multiboot"
#! serial = "READY\r\n"
#! end = "dead-halt"
    .include "pm.inc"
    .include "vga.inc"
    .section .text
main:
    mov esi, OFFSET vga_mode_12
    call vga_mode
    call colours
    # Every line in a colour of its own by write mode 2, and over it a slanted pattern in one plane.
    VGA_SET GFX, 5, 2
    mov edi, 0xa0000
    xor ebx, ebx
1:  mov eax, ebx
    shr eax, 3
    mov ecx, 80
    rep stosb
    inc ebx
    cmp ebx, 480
    jb 1b
    VGA_SET GFX, 5, 0
    VGA_SET SEQ, 2, 4
    VGA_SET GFX, 3, 0x18            # exclusive or
    mov edi, 0xa0000
    xor ebx, ebx
2:  mov ecx, ebx
    mov eax, 0x0f
    rol al, cl
    mov ecx, 40
3:  mov dl, [edi]
    mov [edi], al
    inc edi
    loop 3b
    add edi, 40
    inc ebx
    cmp ebx, 480
    jb 2b
    STAY
    .include "colours.inc"
