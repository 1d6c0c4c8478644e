#! title = "Real mode from the reset vector: segments, the IVT, 32-bit operands"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 20 (8086 emulation): the interrupt table, exceptions of real mode, 64 KiB limits, prefixes 66h and 67h.
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    EXPECT16 cs, 0xf000

    # Linear addresses are selector * 16 + offset, and different pairs name one byte.
    mov word ptr ds:[0x1234], 0xbeef
    mov ax, 0x0123
    mov es, ax
    EXPECT16 "word ptr es:[4]", 0xbeef
    mov ax, 0xffff                  # FFFF:0010 is 100000h or, with A20 closed, 0: no fault either way
    mov fs, ax
    mov al, fs:[0x10]

    # Address arithmetic wraps at 64 KiB.
    mov bx, 0xfff0
    mov si, 0x1244
    EXPECT16 "word ptr [bx + si]", 0xbeef

    # INT n: FLAGS, CS, IP pushed; IF and TF cleared; IRET restores.
    mov word ptr ds:[0x60 * 4], OFFSET handler
    mov word ptr ds:[0x60 * 4 + 2], cs
    sti
    stc
    mov bp, sp
    int 0x60
after_int:
    pushf
    pop ax
    cli
    and ax, 0x201
    EXPECT16 ax, 0x201
    EXPECT16 sp, bp
    EXPECT16 "word ptr ds:[0x500]", 0
    EXPECT16 "word ptr ds:[0x502]", (OFFSET after_int)

    # Faults come with the address of the instruction and without an error code.
    xor cx, cx
    FAULTS16 0, div cl
    FAULTS16 6, ud2
    mov word ptr ds:[0x504], 10
    mov word ptr ds:[0x506], 20
    mov ax, 9
    FAULTS16 5, bound ax, ds:[0x504]
    .ifndef QEMU
    FAULTS16 13, mov ax, ds:[0xffff]
    .endif
    mov ebx, 0x10000
    .ifndef QEMU
    FAULTS16 13, mov al, [ebx]
    .endif
    mov bp, 0xffff
    .ifndef QEMU
    FAULTS16 12, mov ax, [bp]
    FAULTS16 13, mov eax, ds:[0xfffd]
    .endif
    FAULTS16 6, lldt ax             # not recognised in real mode
    FAULTS16 6, str ax
    mov ax, 20
    bound ax, ds:[0x504]            # in range: no event

    # Traps come with the address of the next instruction.
    mov word ptr ds:[4 * 4], OFFSET 1f
    mov word ptr ds:[4 * 4 + 2], cs
    mov al, 0x7f
    inc al
    into
2:  EXPECT16 0xbad, 0
1:  pop ax
    EXPECT16 ax, (OFFSET 2b)
    add sp, 4

    # Operand and address size prefixes.
    mov eax, 0x89abcdef
    push eax
    pop cx
    pop dx
    EXPECT16 cx, 0xcdef
    EXPECT16 dx, 0x89ab
    mov ecx, 0x600
    mov dword ptr [ecx + ecx * 2], 0x55667788
    EXPECT16 "word ptr ds:[0x1202]", 0x5566
    mov eax, 0x12345678
    mov ax, 0x9abc                  # a 16-bit write keeps the upper half
    shr eax, 16
    EXPECT16 ax, 0x1234

    # PUSH SP pushes the old value since the 286. SP wraps at 64 KiB.
    mov bp, sp
    push sp
    pop ax
    EXPECT16 ax, bp
    mov word ptr ds:[0xfffe], 0
    mov si, sp
    xor sp, sp
    push 0x4321
    mov di, sp
    mov sp, si
    EXPECT16 di, 0xfffe
    EXPECT16 "word ptr ds:[0xfffe]", 0x4321

    # NT and IOPL are ordinary bits here; SMSW shows PE clear.
    push 0x7002
    popf
    pushf
    pop ax
    push 2
    popf
    and ax, 0xf002
    EXPECT16 ax, 0x7002
    smsw ax
    and ax, 1
    EXPECT16 ax, 0

    # String instructions wrap at 64 KiB.
    xor ax, ax
    mov es, ax
    mov byte ptr ds:[0xffff], 0xaa
    mov byte ptr ds:[0], 0xbb
    mov si, 0xffff
    mov di, 0x700
    mov cx, 2
    rep movsb
    EXPECT16 si, 1
    EXPECT16 "word ptr ds:[0x700]", 0xbbaa

    # LOOP and JCXZ use CX, or ECX with 67h.
    mov ecx, 0x10001
    mov ax, 0
1:  inc ax
    loop 1b
    EXPECT16 ax, 1
    mov ecx, 0x10000
    jcxz 1f
    EXPECT16 0xbad, 0
1:  jecxz 1f
    mov ax, 7
1:  EXPECT16 ax, 7

    # Far calls and returns.
    mov bp, sp
    call 0xf000:OFFSET far_procedure
    EXPECT16 sp, bp
    EXPECT16 ax, 0xca11
    PASS16

handler:
    pushf
    pop ax
    and ax, 0x300
    mov cs:[0], ax                  # a write to ROM goes nowhere
    mov ds:[0x500], ax
    pop ax
    push ax
    mov ds:[0x502], ax
    iret

far_procedure:
    mov ax, 0xca11
    retf
