#! title = "Unreal mode: the descriptor cache outlives the return to real mode"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 11. SDM volume 3A, 3.4.3 and 9.9.2: limits and attributes loaded in protected mode stay in the hidden parts of
# the segment registers after CR0.PE is cleared; a real-mode load replaces the base only. A GDT edit changes nothing until
# the register is loaded again.
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    mov si, OFFSET gdt              # a GDT in RAM, so that it can be edited
    mov di, 0x800
    mov cx, (gdt_end - gdt) / 2
1:  mov ax, cs:[si]
    mov [di], ax
    add si, 2
    add di, 2
    loop 1b
    lgdtd cs:[gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, 8
    mov ds, bx
    mov fs, bx
    mov gs, bx
    mov dword ptr ds:[0x808], 0     # the descriptor is gone; the caches stay
    mov dword ptr ds:[0x80c], 0
    and al, 0xfe
    mov cr0, eax
    jmp 0xf000:OFFSET real

real:
    mov ebx, 0x300000
    mov dword ptr [ebx], 0x2468ace0 # DS: limit 4 GiB still
    mov eax, fs:[ebx]
    shr eax, 16
    EXPECT16 ax, 0x2468
    mov ax, 0x1000                  # a load in real mode sets the base and keeps the limit
    mov gs, ax
    mov ecx, 0x2f0000
    mov eax, gs:[ecx]
    EXPECT16 ax, 0xace0
    xor ax, ax
    mov ds, ax
    mov eax, [ebx]
    EXPECT16 ax, 0xace0
    mov ax, es                      # ES was never loaded: its limit is 64 KiB
    mov edi, 0x10000
    .ifndef QEMU
    FAULTS16 13, mov al, es:[edi]
    .endif
    PASS16

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf93000000ffff
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long 0x800
