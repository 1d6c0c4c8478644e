#! title = "A screen of text in a font and colours of the guest's own (docs/screen.md)"
#! load = "multiboot"
#! serial = "READY\r\n"
#! end = "dead-halt"
    .include "pm.inc"
    .include "vga.inc"
    .section .text
main:
    mov esi, OFFSET vga_mode_3
    call vga_mode
    VGA_SET CRTC, 0x0a, 0x20        # no cursor
    # The font: line l of character c is 5 c + 11 l.
    VGA_SET SEQ, 2, 4
    VGA_SET SEQ, 4, 7
    VGA_SET GFX, 4, 2
    VGA_SET GFX, 5, 0
    VGA_SET GFX, 6, 4
    mov edi, 0xa0000
    xor ebx, ebx
1:  lea eax, [ebx + ebx * 4]
    mov ecx, 16
2:  mov [edi], al
    inc edi
    add eax, 11
    loop 2b
    add edi, 16
    inc ebx
    cmp ebx, 256
    jb 1b
    VGA_SET SEQ, 2, 3
    VGA_SET SEQ, 4, 2
    VGA_SET GFX, 4, 0
    VGA_SET GFX, 5, 0x10
    VGA_SET GFX, 6, 0x0e
    # Characters but B0h to BFh, whose ninth dot is not the same everywhere; attributes without blinking.
    mov edi, 0xb8000
    xor ebx, ebx
3:  mov al, bl
    mov ah, al
    and ah, 0xf0
    cmp ah, 0xb0
    jne 4f
    xor al, 0x40
4:  lea ecx, [ebx + ebx * 2]
    shr ecx, 2
    mov ah, cl
    and ah, 0x7f
    mov [edi], ax
    add edi, 2
    inc ebx
    cmp ebx, 2000
    jb 3b
    call colours
    STAY
    .include "colours.inc"
