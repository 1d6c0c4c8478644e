#! title = "A boot sector and the built-in INT 10h, 13h, 15h, 16h"
#! load = "bootsector"
#! serial-contains = ["A", "PASS\r\n"]
#! debug-exit = 0
# The PC's conventions, not the SDM's: CS:IP 0000:7C00, DL the drive, and the few services that small programs use.
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
    sti
    cld
    mov [drive], dl

    mov ax, 0x0e41                  # teletype output
    xor bx, bx
    int 0x10
    mov ah, 3                       # where the cursor is: column 1 at least
    int 0x10

    mov ah, 0                       # reset the disk system
    mov dl, [drive]
    int 0x13
    CHECK c

    mov ax, 0x0201                  # read one sector: cylinder 0, head 0, sector 1, to 0000:9000
    mov bx, 0x9000
    mov cx, 1
    mov dh, 0
    mov dl, [drive]
    int 0x13
    CHECK c
    cmp word ptr ds:[0x91fe], 0xaa55
    CHECK ne
    mov si, OFFSET start            # it is this very sector
    mov di, 0x9000
    mov cx, 32
    repe cmpsw
    CHECK ne

    mov ax, 0x0201                  # sector 0 does not exist
    mov bx, 0x9000
    mov cx, 0
    mov dh, 0
    mov dl, [drive]
    int 0x13
    CHECK nc

    mov eax, 0xe820                 # the memory map's first entry: RAM at 0
    mov edx, 0x534d4150
    xor ebx, ebx
    mov ecx, 20
    mov di, 0x9400
    int 0x15
    CHECK c
    cmp eax, 0x534d4150
    CHECK ne
    mov eax, ds:[0x9400]
    or eax, ds:[0x9404]
    CHECK nz
    cmp dword ptr ds:[0x9410], 1
    CHECK ne
    cmp dword ptr ds:[0x9408], 0x80000
    CHECK b

    mov ah, 0x88                    # extended memory in KiB, 32 MiB machine
    int 0x15
    CHECK c
    cmp ax, 0x3c00                  # capped at 15 or 63 MiB by different BIOSes
    CHECK b

    mov ah, 0xc9                    # no such function
    int 0x15
    CHECK nc

    mov ah, 1                       # no key waits
    int 0x16
    CHECK nz

    int 0x12                        # conventional memory
    cmp ax, 512
    CHECK b
    cmp ax, 640
    CHECK a

    mov si, OFFSET text
    mov dx, 0x3fb
    mov al, 3
    out dx, al
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

drive: .byte 0
text: .asciz "PASS\r\n"
