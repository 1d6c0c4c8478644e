#! title = "A boot sector for every medium that firmware boots: it reads on from there, prints, and takes a key"
#! load = "bootsector"
# Used by crates/cli/tests/boot_media.rs and scripts/post-bench.sh. All of it by the firmware's services: INT 13h reads the
# second sector, INT 10h prints the drive's number and what is there, INT 16h waits for a key. Enter ends the run by the
# debug-exit port; any other key is printed. What is in the second sector is a text that ends with a zero; if that begins with
# an exclamation mark, no key is waited for.
    .intel_syntax noprefix
    .code16
    .arch pentium4
    .globl start
    .set BUFFER, 0x8000
start:
    jmp 0:OFFSET 1f
1:  xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    mov [drive], dl
    mov si, OFFSET hello
    call text
    mov al, [drive]
    shr al, 4
    call digit
    mov al, [drive]
    and al, 15
    call digit
    mov si, OFFSET colon
    call text

    mov dl, [drive]
    test dl, dl
    js 2f
    mov ax, 0x0201                  # a diskette: cylinder 0, head 0, sector 2
    mov bx, BUFFER
    mov cx, 2
    mov dh, 0
    jmp 3f
2:  mov ah, 0x42                    # a disk or CD: the packet's sector, of whatever size
    mov si, OFFSET packet
3:  int 0x13
    jc failed
    mov si, BUFFER
    call text
    cmp byte ptr [BUFFER], '!'
    je quit
key:
    mov ah, 0
    int 0x16
    cmp al, 13
    je quit
    call put
    jmp key
failed:
    mov al, ah
    call digit
    mov si, OFFSET error
    call text
    mov al, 1
    out 0xf4, al
quit:
    mov al, 0
    out 0xf4, al
    hlt

digit:
    add al, '0'
    cmp al, '9'
    jbe put
    add al, 'a' - '0' - 10
put:
    mov ah, 0x0e
    mov bx, 7
    int 0x10
    ret
text:
    lodsb
    test al, al
    jz 4f
    call put
    jmp text
4:  ret

hello:
    .asciz "Booted from drive "
colon:
    .asciz ": "
error:
    .asciz " is an error of the drive\r\n"
drive:
    .byte 0
    .align 4
packet:
    .byte 16, 0
    .word 1                         # sectors
    .word BUFFER, 0
    .long 1, 0                      # from this one on
