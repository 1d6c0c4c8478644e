#! title = "A jump to F000:FFF0 from a boot sector boots it anew, from the disk"
#! load = "bootsector"
#! reboot = true
#! serial = "PASS\r\n"
#! debug-exit = 0
    .intel_syntax noprefix
    .code16
    .arch pentium4
    .globl start
start:
    jmp 0:OFFSET 1f
1:  cli
    cld
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov ax, 0x5000
    mov es, ax
    .ifndef QEMU                    # (SeaBIOS does not come back from there)
    cmp dword ptr es:[0], 0x7e577e57
    je again
    mov dword ptr es:[0], 0x7e577e57
    mov byte ptr [changing + 1], 2
    call changing
    cmp al, 2
    jne failed
    jmp 0xf000:0xfff0
    .endif
again:
    call changing
    cmp al, 1                       # read from the disk again
    jne failed
    mov dx, 0x3f8
    mov si, OFFSET passed
    mov cx, 6
    rep outsb
    mov al, 0
    jmp finish
failed:
    mov al, 1
finish:
    out 0xf4, al
1:  hlt
    jmp 1b
changing:
    mov al, 1
    ret
passed: .ascii "PASS\r\n"
