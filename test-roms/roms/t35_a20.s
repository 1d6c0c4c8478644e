#! title = "The A20 gate by port 92h and by the keyboard controller: wrap at 1 MiB, for data and code"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 35. The PC's convention: with the gate closed address line 20 is 0 for every access.
    .include "real.inc"
    RESET_VECTOR start

.macro A20_FAST value
    in al, 0x92
    and al, 0xfc
    or al, \value
    out 0x92, al
.endm

wait_8042:
    in al, 0x64
    test al, 2
    jnz wait_8042
    ret

# The controller's output port takes AL.
output_port:
    mov ah, al
    call wait_8042
    mov al, 0xd1
    out 0x64, al
    call wait_8042
    mov al, ah
    out 0x60, al
    call wait_8042
    ret

.macro PROBE want
    mov ax, 0xffff
    mov es, ax
    mov word ptr ds:[0x500], 0x1111
    mov word ptr es:[0x510], 0x2222 # FFFF:0510 is 100500h
    EXPECT16 "word ptr ds:[0x500]", \want
    EXPECT16 "word ptr es:[0x510]", 0x2222
.endm

start:
    REAL_START
    mov cx, 3
again:
    A20_FAST 0
    PROBE 0x2222
    A20_FAST 2
    PROBE 0x1111
    mov al, 0xdd                    # through the keyboard controller: bit 1 clear (bit 0 is the reset line)
    call output_port
    PROBE 0x2222
    mov al, 0xdf
    call output_port
    PROBE 0x1111
    dec cx
    jnz again

    # The code at 100600h and at 600h differ: which runs follows the gate.
    mov ax, 0xffff
    mov es, ax
    A20_FAST 2
    mov dword ptr es:[0x610], 0xcb0002b8    # MOV AX, 2; RETF
    mov dword ptr ds:[0x600], 0xcb0001b8    # MOV AX, 1; RETF
    mov cx, 3
1:  call 0xffff:0x610
    EXPECT16 ax, 2
    A20_FAST 0
    call 0xffff:0x610
    EXPECT16 ax, 1
    A20_FAST 2
    dec cx
    jnz 1b
    # Protected mode: 3 MiB goes to 2 MiB while the gate is closed.
    lgdtd cs:[gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, 8
    mov ds, bx
    mov ebx, 0x200000
    mov dword ptr [ebx], 0x22222222
    mov dword ptr [ebx + 0x100000], 0x33333333
    A20_FAST 0
    mov ecx, [ebx + 0x100000]
    mov edx, [ebx]
    A20_FAST 2
    mov esi, [ebx + 0x100000]
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0xf000:OFFSET 2f
2:  xor ax, ax
    mov ds, ax
    EXPECT16 cx, 0x2222
    EXPECT16 dx, 0x2222
    EXPECT16 si, 0x3333
    PASS16

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf93000000ffff
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt + 0xf0000
