#! title = "A FAT12 boot sector that writes the file HELLO.TXT of its diskette to port E9h"
#! load = "bootsector"
# Used by scripts/floppies.sh, which has mtools put it on diskettes of every size: bytes 3 to 3Dh are mtools' own.
    .intel_syntax noprefix
    .code16
    .arch pentium4
    .globl start
    .set RESERVED, 0x7c0e           # sectors before the first FAT
    .set FATS, 0x7c10
    .set ROOT_ENTRIES, 0x7c11
    .set FAT_SECTORS, 0x7c16
    .set PER_TRACK, 0x7c18
    .set HEADS, 0x7c1a
    .set PER_CLUSTER, 0x7c0d
    .set FAT, 0x8000                # up to nine sectors
    .set ROOT, 0xa000               # a sector at a time
    .set DATA, 0xb000
start:
    jmp short code
    nop
    .org 0x3e
code:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    mov [drive], dl
    # The FAT.
    mov ax, [RESERVED]
    mov bx, FAT
    mov cx, [FAT_SECTORS]
1:  call read
    add bx, 512
    inc ax
    loop 1b
    # The root directory, and where the clusters begin.
    mov al, [FATS]
    mov ah, 0
    mul word ptr [FAT_SECTORS]
    add ax, [RESERVED]
    mov dx, [ROOT_ENTRIES]
    mov cl, 4
    shr dx, cl
    mov cx, dx
    add dx, ax
    mov [first], dx
2:  mov bx, ROOT
    call read
    inc ax
    mov di, bx
3:  push cx
    push di
    mov si, OFFSET name
    mov cx, 11
    repe cmpsb
    pop di
    pop cx
    je found
    add di, 32
    cmp di, ROOT + 512
    jb 3b
    loop 2b
failed:
    mov si, OFFSET error
    mov cx, 6
    jmp print
found:
    mov bp, [di + 28]               # bytes, fewer than 64 KiB
    mov ax, [di + 26]               # the first cluster
cluster:
    push ax
    sub ax, 2
    mov cl, [PER_CLUSTER]
    mov ch, 0
    mul cx
    add ax, [first]
4:  mov bx, DATA
    call read
    inc ax
    push cx
    mov si, bx
    mov cx, 512
    cmp bp, cx
    jae 5f
    mov cx, bp
5:  sub bp, cx
    jcxz 6f
    push ax
    call text
    pop ax
6:  pop cx
    loop 4b
    pop ax
    test bp, bp
    jz quit
    # The next cluster: twelve bits.
    mov bx, ax
    shr bx, 1
    pushf
    add bx, ax
    mov ax, [bx + FAT]
    popf
    jnc 7f
    mov cl, 4
    shr ax, cl
7:  and ax, 0xfff
    cmp ax, 0xff8
    jb cluster
    jmp failed
print:
    call text
quit:
    mov al, 0
    out 0xf4, al
    hlt

# Sector AX to BX.
read:
    pusha
    xor dx, dx
    div word ptr [PER_TRACK]
    inc dx
    mov cl, dl
    xor dx, dx
    div word ptr [HEADS]
    mov ch, al
    mov dh, dl
    mov dl, [drive]
    mov ax, 0x0201
    int 0x13
    popa
    jc failed
    ret

# CX bytes from SI.
text:
    lodsb
    out 0xe9, al
    loop text
    ret

name:
    .ascii "HELLO   TXT"
error:
    .ascii "FAIL\r\n"
drive:
    .byte 0
first:
    .word 0
