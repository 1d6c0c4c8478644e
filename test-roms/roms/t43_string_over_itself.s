#! title = "A repeated string instruction that overwrites its own bytes ends as it was decoded"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 43 and 1. SDM volume 2, REP: it is one instruction; only what is delivered between two iterations makes the
# processor fetch it again. Every size, both directions, through another segment of the same bytes, by input from a port;
# over more iterations than an interpreter makes at a time, and so often that it is translated.
    .include "real.inc"
    RESET_VECTOR start
    .set AWAY, 0x1000
    .set AT, 0x2000                 # where the instruction is; the RETF is behind what is overwritten
    .set END, 0x4000

# insn, with DI and CX set, through selector; the bytes of it at AWAY:AT.
.macro OVER insn, selector, first, count, last, back=0
    mov word ptr [0x500], 6
1:  mov ax, AWAY
    mov es, ax
    mov di, AT
    mov si, OFFSET 771f
    mov cx, OFFSET 772f - 771f
    cld
    rep movsb es:[di], cs:[si]
    mov byte ptr es:[END], 0xcb
    mov ax, \selector
    mov es, ax
    mov ax, 0x3000
    mov ds, ax
    mov eax, 0x90909090
    mov dx, 0x71
    mov si, \first
    mov di, \first
    mov cx, \count
    .if \back
    std
    .endif
    call AWAY:AT
    cld
    xor ax, ax
    mov ds, ax
    .ifndef QEMU
    EXPECT16 cx, 0
    EXPECT16 di, \last
    .endif
    dec word ptr [0x500]
    jnz 1b
    jmp 773f
771: \insn
    .if \back
    nop
    nop
    retf
    .endif
772:
773:
.endm

start:
    REAL_START
    # The source of MOVS: NOPs.
    mov ax, 0x3000
    mov es, ax
    xor di, di
    mov eax, 0x90909090
    mov cx, 0x2000
    rep stosd
    # And of INS: a byte of the clock's memory.
    mov al, 0x40
    out 0x70, al
    mov al, 0x90
    out 0x71, al

    OVER "rep stosb", AWAY, 0, END, END
    OVER "rep stosw", AWAY, 0, END/2, END
    OVER "rep stosd", AWAY, 0, END/4, END
    OVER "rep movsb", AWAY, 0, END, END
    OVER "rep movsw", AWAY, 0, END/2, END
    OVER "rep movsd", AWAY, 0, END/4, END
    OVER "rep insb", AWAY, 0, END, END
    # By another name of the same bytes; beginning in the instruction itself.
    OVER "rep stosb", AWAY-0x100, 0x1000, END, END+0x1000
    OVER "rep movsd", AWAY-0x80, 0x800+AT-3, (END-AT)/4, 0x800+AT-3+END-AT
    OVER "rep stosb", AWAY, AT, END-AT, END
    OVER "rep stosb", AWAY, AT+1, END-AT-1, END
    # Backwards, from behind it to before it: what follows is overwritten first, and ends in a RETF of its own.
    OVER "rep stosw", AWAY, AT+1, 0x900, AT+1-0x1200, 1
    PASS16
