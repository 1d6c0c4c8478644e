#! title = "What the built-in BIOS waits, moves and tells of itself and the clock: INT 15h 86h, 87h, C0h, INT 1Ah 02h, 04h"
#! load = "bootsector"
#! serial-contains = ["PASS\r\n"]
#! debug-exit = 0
# The interface of a PC/AT's BIOS: microseconds in CX:DX; words in CX and descriptors at ES:SI; BCD in CX and DX.
    .intel_syntax noprefix
    .code16
    .arch pentium4
    .globl start
    .macro CHECK condition
    .set check_no, check_no + 1
    mov bp, check_no
    j\condition failed
    .endm
    .set check_no, 0
start:
    jmp 0:OFFSET 1f
1:  xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld

    mov ebx, 0x12345678             # 20 ms are between 20 and 60 ms by the power management timer
    mov dx, 0x608
    in eax, dx
    mov edi, eax
    mov ax, 0x8600
    mov cx, 0
    mov dx, 20000
    stc
    int 0x15
    CHECK c
    cmp dx, 20000
    CHECK ne
    cmp ebx, 0x12345678
    CHECK ne
    pushf
    pop ax
    test ax, 0x200                  # IF as it was
    CHECK z
    mov dx, 0x608
    in eax, dx
    sub eax, edi
    and eax, 0xffffff
    cmp eax, 71590
    CHECK b
    cmp eax, 214770
    CHECK a

    mov ax, 0xb800                  # 32 words from here to 2 MiB and back to 9000h
    mov si, OFFSET table
    mov cx, 32
    mov ah, 0x87
    int 0x15
    CHECK c
    test ah, ah
    CHECK nz
    mov byte ptr [to + 4], 0x00     # 009000h
    mov word ptr [to + 2], 0x9000
    mov byte ptr [from + 4], 0x20   # 200000h
    mov word ptr [from + 2], 0
    mov ah, 0x87
    int 0x15
    CHECK c
    mov si, OFFSET start
    mov di, 0x9000
    mov cx, 32
    repe cmpsw
    CHECK ne
    mov si, OFFSET table            # to where nothing can be written
    mov byte ptr [to + 7], 0xff
    mov cx, 1
    mov ah, 0x87
    int 0x15
    CHECK nc
    mov cx, 0x8001                  # more than 64 KiB
    mov ah, 0x87
    int 0x15
    CHECK nc

    mov ah, 0xc0                    # a PC/AT with a second interrupt controller and a clock
    int 0x15
    CHECK c
    cmp word ptr es:[bx], 8
    CHECK ne
    mov al, es:[bx + 5]
    cmp byte ptr es:[bx + 2], 0xfc
    CHECK ne
    and al, 0x60
    cmp al, 0x60
    CHECK ne

    mov ax, 0x0255                  # a time in BCD; AL stays
    stc
    int 0x1a
    CHECK c
    cmp ch, 0x23
    CHECK a
    cmp cl, 0x59
    CHECK a
    cmp dh, 0x59
    CHECK a
    cmp dl, 1
    CHECK a
    mov ah, 4                       # a date of this century
    stc
    int 0x1a
    CHECK c
    cmp ch, 0x20
    CHECK ne
    dec dh
    cmp dh, 0x12
    CHECK ae
    dec dl
    cmp dl, 0x31
    CHECK ae

    mov si, OFFSET text
    mov dx, 0x3f8
1:  lodsb
    test al, al
    jz 2f
    out dx, al
    jmp 1b
2:  mov al, 0
3:  out 0xf4, al
    cli
4:  hlt
    jmp 4b

failed:
    mov ax, bp
    jmp 3b

text: .asciz "PASS\r\n"
    .balign 4
table: .space 16
from: .word 0xffff, 0x7c00
    .byte 0, 0x93, 0, 0
to: .word 0xffff, 0
    .byte 0x20, 0x93, 0, 0
    .space 16
