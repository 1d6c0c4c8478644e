#! title = "Sensitive instructions in real mode: the guest's tables and flags; protected-mode ones are #UD"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 40. SDM volume 2 for each; volume 3B, 20.1.3 (instructions of real-address mode).
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    mov word ptr ds:[0x600], 0x1234
    mov dword ptr ds:[0x602], 0x00abcdef
    mov word ptr ds:[0x608], 0x3ff
    mov dword ptr ds:[0x60a], 0
    lgdtd ds:[0x600]
    lidtd ds:[0x608]
    mov bp, 20
again:
    mov dword ptr ds:[0x610], -1
    mov dword ptr ds:[0x614], -1
    sgdtd ds:[0x610]
    EXPECT16 "word ptr ds:[0x610]", 0x1234
    EXPECT16 "word ptr ds:[0x612]", 0xcdef
    EXPECT16 "word ptr ds:[0x614]", 0x00ab
    EXPECT16 "word ptr ds:[0x616]", 0xffff
    sidtd ds:[0x610]
    EXPECT16 "word ptr ds:[0x610]", 0x3ff
    EXPECT16 "word ptr ds:[0x612]", 0
    mov eax, cr0
    mov ecx, eax
    mov eax, -1
    smsw ax
    EXPECT16 ax, cx
    shr eax, 16
    EXPECT16 ax, 0xffff
    smsw eax
    EXPECT16 ax, cx
    smsw word ptr ds:[0x610]
    EXPECT16 "word ptr ds:[0x610]", cx
    test cl, 1
    setz al
    movzx ax, al
    EXPECT16 ax, 1                  # PE is clear, and the guest sees it so
    # No selectors here.
    FAULTS16 6, sldt ax
    FAULTS16 6, str ax
    FAULTS16 6, lldt ax
    FAULTS16 6, ltr ax
    FAULTS16 6, verr ax
    FAULTS16 6, verw ax
    FAULTS16 6, lar ax, cx
    FAULTS16 6, lsl ax, cx
    FAULTS16 6, arpl ax, cx
    FAULTS16 6, sldt word ptr ds:[0x610]
    FAULTS16 6, .byte 0x0f, 0x01, 0xd8 # LIDT of a register
    # Flags: IF, IOPL and NT are the program's; TF is left out. The reserved bits keep their values.
    push 0x7ed7
    popf
    pushf
    pop ax
    push 2
    popf
    EXPECT16 ax, 0x7ed7
    push 0xffff - 0x300
    popf
    pushf
    pop ax
    push 2
    popf
    EXPECT16 ax, 0x7cd7
    push 0
    popf
    pushf
    pop ax
    EXPECT16 ax, 2
    pushfd
    pop eax
    EXPECT16 ax, 2
    shr eax, 16
    EXPECT16 ax, 0
    push 0x00070000 >> 16
    push 2
    popfd                           # VM and RF are not loaded, AC is
    pushfd
    pop eax
    pushd 2
    popfd
    shr eax, 16
    EXPECT16 ax, 4
    sti
    cli
    pushf
    pop ax
    and ax, 0x7200
    EXPECT16 ax, 0
    # CPL is 0: everything privileged is allowed.
    mov eax, cr3
    mov cr3, eax
    mov eax, dr7
    wbinvd
    invlpg [0]
    clts
    # Segment registers read as written, whatever the value.
    mov ax, 0x0003
    mov es, ax
    mov fs, ax
    mov bx, es
    push fs
    pop cx
    EXPECT16 bx, 3
    EXPECT16 cx, 3
    mov ax, 0xffff
    mov gs, ax
    mov word ptr ds:[0x618], gs
    EXPECT16 "word ptr ds:[0x618]", 0xffff
    mov ax, cs
    EXPECT16 ax, 0xf000
    # INT n saves FLAGS, clears IF and TF; IRET brings them back; no IOPL, no gate is asked.
    mov word ptr ds:[0x41 * 4], OFFSET look
    mov word ptr ds:[0x41 * 4 + 2], cs
    push 0x3202
    popf
    int 0x41
    pushf
    pop cx
    cli
    push 2
    popf
    EXPECT16 ax, 0x3002
    EXPECT16 cx, 0x3202
    EXPECT16 dx, 0x3202
    # A vector beyond the IDT's limit: #GP, without an error code.
    mov word ptr ds:[0x608], 0x41 * 4 + 2
    lidtd ds:[0x608]
    FAULTS16 13, int 0x41
    mov word ptr ds:[0x608], 0x3ff
    lidtd ds:[0x608]
    # An IDT that is not at 0.
    mov word ptr ds:[0x800 + 0x41 * 4], OFFSET look
    mov word ptr ds:[0x800 + 0x41 * 4 + 2], cs
    mov word ptr ds:[0x41 * 4], 0
    mov dword ptr ds:[0x60a], 0x800
    lidtd ds:[0x608]
    xor ax, ax
    int 0x41
    EXPECT16 ax, 0x46                # (of XOR)
    mov dword ptr ds:[0x60a], 0
    lidtd ds:[0x608]
    dec bp
    jnz again
    PASS16

look:
    pushf
    pop ax
    push bp
    mov bp, sp
    mov dx, [bp + 6]
    pop bp
    iret
