#! title = "IDT, GDT and stacks in ROM: they serve; the accessed bit and whatever is pushed are lost"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 41, 12. A firmware's tables. The write of the accessed bit goes to ROM and is dropped, as the platform drops any.
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    lgdtd cs:[gdt_pointer]
    lidtd cs:[idt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 0x10:OFFSET 1f
1:  mov bp, 20
again:
    mov bx, 8
    mov ds, bx
    mov es, bx
    mov ss, bx
    movzx esp, sp
    mov ebx, 0xf0000
    movzx eax, byte ptr [ebx + gdt + 8 + 5]
    EXPECT16 ax, 0x92               # still
    movzx eax, byte ptr [ebx + gdt + 0x10 + 5]
    EXPECT16 ax, 0x9a
    lea ecx, [ebx + gdt + 8 + 5]
    mov byte ptr [ecx], 0xff
    movzx eax, byte ptr [ecx]
    EXPECT16 ax, 0x92
    mov di, sp
    mov si, 0
    ud2                             # 16-bit gate: IP, CS, FLAGS as words
2:  EXPECT16 si, 6
    EXPECT16 sp, di
    mov ax, 0x40
    mov si, 0
3:  mov gs, ax                      # beyond the GDT: #GP(40h)
    EXPECT16 si, 13
    EXPECT16 dx, 0x40
    int 2
    EXPECT16 si, 2
    # A stack in ROM: pushes are lost, pops bring the ROM; a read-modify-write, XCHG, BTS, a string are lost too.
    mov esi, esp
    mov esp, 0xf0000 + OFFSET stack_here + 4
    pushd 0x1111
    popd ecx
    sub esp, 4
    call 1f                         # (a near call pushes a word)
1:  pop ax
    mov edi, esp
    mov esp, esi
    EXPECT16 cx, 0x5a5a
    EXPECT16 ax, 0xa5a5
    EXPECT16 di, (OFFSET stack_here)
    mov ecx, 0xf0000 + OFFSET stack_here
    mov eax, 0x1234
    add dword ptr [ecx], 1
    bts dword ptr [ecx], 0
    lock xadd [ecx], eax
    EXPECT16 ax, 0x5a5a
    mov ax, 0x777
    xchg [ecx], ax
    EXPECT16 ax, 0x5a5a
    mov edi, ecx
    mov ecx, 2
    .byte 0x67
    rep stosw
    EXPECT16 "word ptr [edi - 4]", 0x5a5a
    # INT with such a stack: its frame is lost, the handler runs.
    mov esi, esp
    mov esp, 0xf0000 + OFFSET stack_here + 4
    int 3
on_3:
    mov edi, esp
    mov esp, esi
    EXPECT16 di, (OFFSET stack_here-2)
    dec bp
    jnz again
    PASS16

on_ud:
    mov si, 6
    mov bx, sp
    add word ptr ss:[bx], 2
    iret
on_gp:
    mov si, 13
    pop dx
    mov bx, sp
    add word ptr ss:[bx], 2
    iret
on_2:
    mov si, 2
    iret

    .balign 4
    .word 0xa5a5, 0xa5a5
stack_here: .long 0x5a5a

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf92000000ffff        # 08 data, not accessed
    .quad 0x00009a0f0000ffff        # 10 16-bit code over this ROM, not accessed
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt + 0xf0000
idt_pointer:
    .word idt_end - idt_start - 1
    .long idt_start + 0xf0000
    .balign 8
idt_start:
    .fill 2, 8, 0
    .word on_2, 0x10, 0x8600, 0
    .word on_3, 0x10, 0x8600, 0
    .fill 2, 8, 0
    .word on_ud, 0x10, 0x8600, 0
    .fill 6, 8, 0
    .word on_gp, 0x10, 0x8600, 0
idt_end:
