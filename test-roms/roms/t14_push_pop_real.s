#! title = "Stack instructions in real mode: PUSH SP, POP SP, POP [SP-relative], PUSHA, ENTER with levels, 16 and 32 bits, hot"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 14, 15, 13. SDM volume 2, PUSH, POP, PUSHA, ENTER, LEAVE: PUSH SP stores the old value, POP [ESP+n] computes its address
# with the new one.
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    mov word ptr ds:[0x6f80], 40
again:
    mov bp, sp
    push sp
    pop ax
    EXPECT16 ax, bp
    pushd esp
    popd eax
    EXPECT16 ax, bp
    mov ax, 0x5000
    push ax
    pop sp                          # SP is what was popped, not that plus 2
    mov ax, sp
    mov sp, bp
    EXPECT16 ax, 0x5000
    # POP into memory near the stack pointer: the address is made after SP has moved.
    mov word ptr ds:[0x5000], 0x1111
    mov word ptr ds:[0x5002], 0x2222
    mov word ptr ds:[0x5004], 0x3333
    mov word ptr ds:[0x5006], 0x4444
    mov esp, 0x5000
    pop word ptr [esp + 2]          # from 5000h to 5004h
    mov ax, sp
    mov sp, bp
    EXPECT16 ax, 0x5002
    EXPECT16 "word ptr ds:[0x5004]", 0x1111
    EXPECT16 "word ptr ds:[0x5002]", 0x2222
    # PUSH of memory at the stack pointer: the old one.
    mov esp, 0x5006
    push word ptr [esp]
    mov ax, sp
    pop cx
    mov sp, bp
    EXPECT16 ax, 0x5004
    EXPECT16 cx, 0x4444
    # PUSHA stores the SP from before; POPA throws it away.
    mov ax, 1
    mov bx, 2
    mov cx, 3
    mov dx, 4
    mov si, 5
    mov di, 6
    pusha
    mov bp, sp
    mov ax, [bp + 6]
    mov word ptr [bp + 6], 0x1234
    mov [0x5100], ax
    lea ax, [bp + 16]
    mov [0x5102], ax
    mov ax, [bp + 14]
    mov [0x5104], ax
    popa
    EXPECT16 ax, 1
    EXPECT16 bx, 2
    EXPECT16 cx, 3
    EXPECT16 dx, 4
    EXPECT16 si, 5
    EXPECT16 di, 6
    EXPECT16 sp, bp
    EXPECT16 "word ptr ds:[0x5100]", "word ptr ds:[0x5102]"
    EXPECT16 "word ptr ds:[0x5104]", 1
    # Immediates: sign-extended bytes, words, dwords; segment registers in 32 bits.
    push -2
    pop ax
    EXPECT16 ax, 0xfffe
    pushd -2
    pop ax
    pop cx
    EXPECT16 ax, 0xfffe
    EXPECT16 cx, 0xffff
    mov bx, sp
    mov ax, 0x2345
    mov fs, ax
    .byte 0x66
    push fs
    mov cx, sp
    popd eax
    sub bx, cx
    EXPECT16 bx, 4
    EXPECT16 ax, 0x2345
    xor ax, ax
    mov fs, ax
    # ENTER with levels: the display is copied, SP moves as a word, BP too.
    mov bp, 0x5200
    mov word ptr ds:[0x51fe], 0xaaaa
    mov word ptr ds:[0x51fc], 0xbbbb
    mov bx, sp
    mov sp, 0x5300
    enter 6, 3
    mov ax, bp
    mov cx, sp
    leave
    mov dx, sp
    mov sp, bx
    EXPECT16 ax, 0x52fe
    EXPECT16 cx, 0x52f2             # BP; two of the display and itself; six
    EXPECT16 dx, 0x5300
    EXPECT16 bp, 0x5200
    EXPECT16 "word ptr ds:[0x52fc]", 0xaaaa
    EXPECT16 "word ptr ds:[0x52fa]", 0xbbbb
    EXPECT16 "word ptr ds:[0x52f8]", 0x52fe
    # RET n, far calls, and CALL by a memory word relative to the stack.
    mov bx, sp
    push 1
    push 2
    call two_parameters
    EXPECT16 sp, bx
    EXPECT16 ax, 3
    push OFFSET plain
    mov bp, sp
    call [bp]
    pop cx
    EXPECT16 ax, 0x77
    push cs
    call far_plain
    EXPECT16 sp, bx
    EXPECT16 ax, 0x78
    # PUSHF and POPF in both sizes.
    push 0x8d7
    popf
    pushf
    pushfd
    popd ecx
    pop ax
    and ax, 0x8d5
    and cx, 0x8d5
    EXPECT16 ax, 0x8d5
    EXPECT16 cx, 0x8d5
    # The upper half of ESP plays no part and stays.
    mov bx, sp
    and esp, 0xffff
    or esp, 0x55550000
    push 0x99
    call 1f
1:  pop ax
    pop cx
    mov edx, esp
    movzx esp, sp
    EXPECT16 cx, 0x99
    EXPECT16 dx, bx
    shr edx, 16
    EXPECT16 dx, 0x5555
    dec word ptr ds:[0x6f80]
    jnz again
    PASS16

two_parameters:
    push bp
    mov bp, sp
    mov ax, [bp + 4]
    add ax, [bp + 6]
    pop bp
    ret 4
plain:
    mov ax, 0x77
    ret
far_plain:
    mov ax, 0x78
    retf
