#! title = "Real mode: IP wraps at 64 KiB, one code under several CS:IP, code over a page's end at an odd base"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 7. SDM volume 3B, 20.1 (real-address mode); volume 2, JMP, CALL, LOOP with 16-bit operands.
    .include "real.inc"
    RESET_VECTOR start

# Far call to CS:IP.
.macro FAR cs, ip
    .byte 0x9a
    .word \ip, \cs
.endm

start:
    REAL_START
    mov ax, 0x2000
    mov es, ax
    mov bp, 20
again:
    # JMP short at FFF0h to 10h and back to FFE0h.
    mov word ptr es:[0xfff0], 0x1eeb
    mov word ptr es:[0x10], 0xceeb
    mov word ptr es:[0xffe0], 0xcb40    # INC AX; RETF
    xor ax, ax
    FAR 0x2000, 0xfff0
    EXPECT16 ax, 1
    # CALL at FFFDh: returns to 0.
    mov byte ptr es:[0xfffd], 0xe8
    mov word ptr es:[0xfffe], 0x40
    mov word ptr es:[0], 0xcb43         # INC BX; RETF
    mov dword ptr es:[0x40], 0xe0ff58   # POP AX; JMP AX
    mov bx, 7
    mov ax, 0xffff
    FAR 0x2000, 0xfffd
    EXPECT16 ax, 0
    EXPECT16 bx, 8
    # LOOP and a conditional branch over the end, many times round.
    mov dword ptr es:[0xfff8], 0x27754040   # INC AX; INC AX; JNZ 23h
    mov word ptr es:[0x23], 0xd3e2          # LOOP FFF8h
    mov byte ptr es:[0x25], 0xcb
    xor ax, ax
    mov cx, 30
    FAR 0x2000, 0xfff8
    EXPECT16 ax, 60
    EXPECT16 cx, 0
    # A near indirect jump and RET take 16 bits.
    mov word ptr es:[0x80], 0xc350          # PUSH AX; RET
    mov byte ptr es:[0xffff], 0xcb
    mov ax, 0xffff
    FAR 0x2000, 0x80
    # The same bytes by three names: each CALL pushes its own IP.
    mov dword ptr es:[0x200], 0x580000e8    # CALL next; POP AX
    mov byte ptr es:[0x203], 0x58
    mov byte ptr es:[0x204], 0xcb
    FAR 0x2000, 0x200
    EXPECT16 ax, 0x203
    FAR 0x2010, 0x100
    EXPECT16 ax, 0x103
    FAR 0x2020, 0
    EXPECT16 ax, 3
    FAR 0x1fff, 0x210
    EXPECT16 ax, 0x213
    # A jump by name 2003h:.. that crosses the page at 21000h, changed on either side of it between runs.
    mov cx, 5
1:  mov byte ptr es:[0xffe], 0xb8           # MOV AX, imm16 at 20FFEh, its last byte at 21000h
    mov byte ptr es:[0xfff], cl
    mov byte ptr es:[0x1000], cl
    mov byte ptr es:[0x1001], 0xcb
    FAR 0x2003, 0xfce
    mov dh, cl
    mov dl, cl
    EXPECT16 ax, dx
    inc byte ptr es:[0x1000]
    FAR 0x2003, 0xfce
    inc dh
    EXPECT16 ax, dx
    dec byte ptr es:[0xfff]
    FAR 0x2000, 0xffe
    dec dl
    EXPECT16 ax, dx
    dec cx
    jnz 1b
    dec bp
    jnz again
    # With 32-bit operands EIP is not truncated, and beyond the limit it is #GP.
    .ifndef QEMU
    mov eax, 0x10000
    FAULTS16 13, .byte 0x66, 0xff, 0xe0     # JMP EAX
    mov sp, bx
    .endif
    PASS16
