#! title = "The A20 gate and paging: tables, code and data are looked up behind the gate"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 35. The gate masks line 20 of the physical address, whoever makes it: page walks too. The tables are at 2 and
# 3 MiB; with the gate closed the walk reads at 2 MiB what it would read at 3 MiB.
    .include "real.inc"
    RESET_VECTOR start
    .set PD, 0x210000
    .set PT_OPEN, 0x320000
    .set PT_CLOSED, 0x220000        # what PT_OPEN becomes

.macro A20_FAST value
    in al, 0x92
    and al, 0xfc
    or al, \value
    out 0x92, al
.endm
.macro FLUSH
    mov eax, cr3
    mov cr3, eax
.endm

# A table at EDI: one to one, all supervisor and writable.
table:
    mov eax, 3
1:  mov [edi], eax
    add edi, 4
    add eax, 4096
    cmp eax, 0x400003
    jb 1b
    ret

start:
    REAL_START
    A20_FAST 2
    lgdtd cs:[gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 0x10:OFFSET 1f
1:  mov bx, 8
    mov ds, bx
    mov es, bx
    mov ss, bx
    movzx esp, sp
    mov edi, PT_OPEN
    call table
    mov edi, PT_CLOSED
    call table
    mov ebx, PD
    mov dword ptr [ebx], PT_OPEN + 3
    mov ebx, PT_OPEN                # linear 50000h: 60000h by one, 70000h by the other
    mov dword ptr [ebx + 0x50 * 4], 0x60003
    mov ebx, PT_CLOSED
    mov dword ptr [ebx + 0x50 * 4], 0x70003
    # Data and code that tell which it is; and at 3 MiB and 2 MiB.
    mov ebx, 0x60000
    mov dword ptr [ebx], 0xcb0001b8 # MOV AX, 1; RETF
    mov ebx, 0x70000
    mov dword ptr [ebx], 0xcb0002b8
    mov ebx, 0x300100
    mov word ptr [ebx], 0x3333
    mov ebx, 0x200100
    mov word ptr [ebx], 0x2222
    # A far pointer: 16-bit code over linear 50000h.
    mov eax, PD
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    mov bp, 20
again:
    A20_FAST 2
    FLUSH
    mov ebx, 0x50001
    EXPECT16 "word ptr [ebx]", 1
    call 0x18:0x100                 # CALL 50000h there
    EXPECT16 ax, 1
    mov ebx, 0x300100
    EXPECT16 "word ptr [ebx]", 0x3333
    A20_FAST 0
    FLUSH
    mov ebx, 0x50001
    EXPECT16 "word ptr [ebx]", 2
    call 0x18:0x100
    EXPECT16 ax, 2
    mov ebx, 0x300100
    EXPECT16 "word ptr [ebx]", 0x2222
    # What a walk marks, it marks behind the gate: the entry of PT_CLOSED.
    mov ebx, 0x220000 + 0x50 * 4
    mov dword ptr [ebx], 0x70003
    FLUSH
    mov ecx, 0x50010
    mov word ptr [ecx], 0x1234
    mov ax, [ebx]
    and ax, 0x60
    EXPECT16 ax, 0x60
    mov ebx, 0x70010
    EXPECT16 "word ptr [ebx]", 0x1234
    dec bp
    jnz again
    A20_FAST 2
    PASS16

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf93000000ffff        # 08 data, 4 GiB
    .quad 0x00009b0f0000ffff        # 10 code, 16-bit, over this ROM
    .quad 0x00009b04ff00ffff        # 18 code, 16-bit, base 4FF00h: 50000h is offset 100h
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt + 0xf0000
