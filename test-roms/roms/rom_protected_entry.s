#! title = "From the reset vector into protected mode, and back"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 9.9 (mode switching): LGDT from ROM, CR0.PE, the instructions between MOV CR0 and the far jump still
# run with the old CS, 16-bit and 32-bit code segments, the way back. docs/traps.md 36.
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    lgdtd cs:[gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov cx, cs                      # still the real-mode selector
    smsw ax
    jmp 1f                          # a near jump does not reload CS
1:  mov dx, cs
    jmp 0x08:(OFFSET protected32)

    .code32
protected32:
    mov ebx, 0x10
    mov ds, ebx
    mov es, ebx
    mov ss, ebx
    mov esp, 0x7000
    movzx ecx, cx
    movzx edx, dx
    mov [0x600], ecx
    mov [0x604], edx
    mov [0x608], eax
    mov ebx, 0x200000               # beyond 1 MiB
    mov dword ptr [ebx], 0x13579bdf
    mov ecx, [ebx]
    mov [0x60c], ecx
    mov eax, cs
    mov [0x610], eax
    call 2f
2:  pop eax                         # an offset in a segment whose base is F0000h
    sub eax, OFFSET 2b
    mov [0x614], eax
3:  jmp 0x18:OFFSET protected16

    .code16
protected16:
    mov bx, 0x20                    # 64 KiB data, as real mode wants it
    mov ds, bx
    mov es, bx
    mov ss, bx
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0xf000:OFFSET real_again

real_again:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7000
    EXPECT16 "word ptr ds:[0x600]", 0xf000
    EXPECT16 "word ptr ds:[0x604]", 0xf000
    mov ax, ds:[0x608]
    and ax, 1
    EXPECT16 ax, 1
    EXPECT16 "word ptr ds:[0x60c]", 0x9bdf
    EXPECT16 "word ptr ds:[0x610]", 8
    EXPECT16 "word ptr ds:[0x614]", 0
    smsw ax
    and ax, 1
    EXPECT16 ax, 0
    EXPECT16 cs, 0xf000
    PASS16

    .balign 8
gdt:
    .quad 0
    .quad 0x00409b0f0000ffff        # 08 code32, base F0000h, limit FFFFh
    .quad 0x00cf93000000ffff        # 10 flat data
    .quad 0x00009b0f0000ffff        # 18 code16
    .quad 0x000093000000ffff        # 20 data, 64 KiB
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt + 0xf0000
