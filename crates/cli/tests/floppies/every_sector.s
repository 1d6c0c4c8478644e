#! title = "A boot sector that adds up every sector of the diskette that it came from"
#! load = "bootsector"
# Used by crates/cli/tests/floppies.rs, which puts it on diskettes of every size. The geometry is what INT 13h AH=08h says; each
# sector is read by AH=02h, one at a time. It prints drive, cylinders, heads, sectors and the sum as hexadecimal digits.
    .intel_syntax noprefix
    .code16
    .arch pentium4
    .globl start
    .set BUFFER, 0x1000             # a segment
start:
    jmp 0:OFFSET 1f
1:  xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    mov [drive], dl
    mov ah, 8
    int 0x13
    jc failed
    mov [heads], dh
    mov [cylinders], ch
    and cl, 0x3f
    mov [sectors], cl
    mov ax, BUFFER
    mov es, ax
    xor ebp, ebp                    # the sum
    xor cx, cx                      # CH: cylinder
    xor dx, dx                      # DH: head
sector:
    mov cl, [number]
    mov ax, 0x0201
    xor bx, bx
    mov dl, [drive]
    push cx
    push dx
    int 0x13
    pop dx
    pop cx
    jc failed
    push cx
    xor si, si
    mov cx, 128
2:  mov eax, es:[si]
    rol ebp, 1
    add ebp, eax
    add si, 4
    loop 2b
    pop cx
    inc byte ptr [number]
    mov al, [sectors]
    cmp [number], al
    jbe sector
    mov byte ptr [number], 1
    inc dh
    cmp dh, [heads]
    jbe sector
    mov dh, 0
    inc ch
    cmp ch, [cylinders]
    jbe sector

    mov eax, [drive]                # drive, last cylinder, last head, sectors
    call print
    mov eax, ebp
    call print
    mov si, OFFSET done
    call text
    jmp quit
failed:
    mov si, OFFSET error
    call text
quit:
    mov al, 0
    out 0xf4, al
    hlt

# EAX as eight digits, the highest byte first.
print:
    mov cx, 8
3:  rol eax, 4
    push eax
    and al, 15
    add al, '0'
    cmp al, '9'
    jbe 4f
    add al, 'a' - '0' - 10
4:  call put
    pop eax
    loop 3b
    mov al, ' '
put:
    push dx
    push ax
    mov dx, 0x3fd
5:  in al, dx
    test al, 0x20
    jz 5b
    mov dx, 0x3f8
    pop ax
    out dx, al
    pop dx
    ret
text:
    lodsb
    test al, al
    jz 6f
    call put
    jmp text
6:  ret

done:
    .asciz "PASS\r\n"
error:
    .asciz "FAIL\r\n"
number:
    .byte 1
drive:
    .byte 0
cylinders:
    .byte 0
heads:
    .byte 0
sectors:
    .byte 0
