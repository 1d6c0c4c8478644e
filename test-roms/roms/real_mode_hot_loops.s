#! title = "Real mode, hot: loops, frames, strings and segment loads under a fast timer"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 20.1 (real-address mode); volume 1, 3.3.5 (wrap at 64 KiB), 6.2.2 (16-bit stacks). Each result is found in two ways.
    .include "real.inc"
    RESET_VECTOR start
    .set DATA, 0x1000               # segments
    .set COPY, 0x2000
    .set CODE, 0x3000
    .set LEN, 0x3000
    .set TICKS, 0x7100              # where the handler counts, in segment 0

start:
    REAL_START
    mov word ptr ds:[8 * 4], OFFSET tick
    mov word ptr ds:[8 * 4 + 2], cs
    mov word ptr ds:[TICKS], 0
    mov al, 0x11                    # the master 8259: vectors 8 to 15, line 0 open
    out 0x20, al
    mov al, 8
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x34                    # the timer: about 2.3 kHz
    out 0x43, al
    xor al, al
    out 0x40, al
    mov al, 2
    out 0x40, al
    sti

    # Pseudo-random words by two addressing forms.
    mov ax, DATA
    mov ds, ax
    mov bx, 0x100
    xor si, si
    mov ax, 1
1:  imul ax, ax, 25173
    add ax, 13849
    mov [bx + si], ax
    add si, 2
    cmp si, LEN
    jb 1b

    # Sums: MOV with a base, LODSW, AH beside memory, and a far pointer in the stack frame.
    xor dx, dx
    mov cx, LEN / 2
    mov si, 0x100
2:  add dx, [si]
    add si, 2
    loop 2b
    mov di, dx
    xor dx, dx
    mov cx, LEN / 2
    mov si, 0x100
3:  lodsw
    add dx, ax
    dec cx
    jnz 3b
    EXPECT16 dx, di
    xor dx, dx
    mov cx, LEN / 2
    mov bx, 0x100
4:  mov ah, [bx + 1]
    mov al, [bx]
    add dl, al
    adc dh, ah
    lea bx, [bx + 2]
    test cx, cx
    loopne 4b
    EXPECT16 dx, di
    push DATA
    push 0x100
    mov bp, sp
    xor dx, dx
    mov cx, LEN / 2
5:  les si, [bp]
    add dx, es:[si]
    add word ptr [bp], 2
    dec cx
    jne 5b
    EXPECT16 dx, di
    add sp, 4

    # Copies, forward in words and backward in bytes, compared with CMPSB; SCASB finds the end.
    mov ax, COPY
    mov es, ax
    mov bp, 20
6:  cld
    mov si, 0x100
    mov di, 0x300
    mov cx, LEN / 2
    rep movsw
    EXPECT16 di, (0x300 + LEN)
    mov si, 0x100
    mov di, 0x300
    mov cx, LEN
    repe cmpsb
    setne al
    movzx ax, al
    EXPECT16 ax, 0
    EXPECT16 cx, 0
    std
    mov si, (0x100 + LEN - 1)
    mov di, (0x8000 + LEN - 1)
    mov cx, LEN
    rep movsb
    EXPECT16 di, 0x7fff
    cld
    mov si, 0x100
    mov di, 0x8000
    mov cx, LEN
    repe cmpsb
    EXPECT16 cx, 0
    mov al, 0
    mov di, 0xc000
    mov cx, 0x200
    rep stosb
    mov byte ptr es:[0xc123], 7
    mov al, 7
    mov di, 0xc000
    mov cx, 0x200
    repne scasb
    EXPECT16 di, 0xc124
    dec bp
    jnz 6b

    # A run that wraps at 64 KiB in its middle, byte by byte.
    mov bp, 20
7:  mov di, 0xfff8
    mov cx, 16
    mov al, 0x5a
    rep stosb
    EXPECT16 di, 8
    EXPECT16 "word ptr es:[6]", 0x5a5a
    mov word ptr es:[6], 0
    dec bp
    jnz 7b

    # Recursion with frames: Fibonacci numbers, and the same in a loop.
    push 15
    call fibonacci
    mov di, ax
    xor ax, ax
    mov dx, 1
    mov cx, 15
8:  xadd ax, dx
    loop 8b
    EXPECT16 ax, di

    # A table there and back.
    xor si, si
9:  mov ax, si
    not al
    mov es:[si], al
    inc si
    cmp si, 256
    jb 9b
    mov cx, 300
    push ds
    push es
    pop ds
    xor bx, bx
10: mov al, cl
    xlatb
    xlatb
    cmp al, cl
    jne 11f
    pusha
    mov cx, sp
    xor ax, ax
    popa
    loop 10b
11: pop ds
    EXPECT16 cx, 0

    # The stack wraps below 0 and only SP moves; interrupts wait.
    cli
    mov cx, 40
    mov bp, sp
    mov ax, COPY
    mov ss, ax
    mov esp, 0x12340002
12: push cx
    push 0x1234
    pop ax
    pop dx
    cmp ax, 0x1234
    jne 13f
    cmp dx, cx
    jne 13f
    cmp esp, 0x12340002
    jne 13f
    loop 12b
13: xor ax, ax
    mov ss, ax
    movzx esp, bp
    EXPECT16 cx, 0
    sti

    # A jump from the end of a code segment to its beginning.
    mov ax, CODE
    mov ds, ax
    mov dword ptr ds:[0xfffb], 0x0ceb4141           # inc cx; inc cx; jmp to 000bh
    mov byte ptr ds:[0xb], 0xcb                     # retf
    mov bp, 40
    xor cx, cx
14: call CODE:0xfffb
    dec bp
    jnz 14b
    EXPECT16 cx, 80

15: cmp word ptr cs:[some_word], 0x7a5a             # data beside the code
    jne 16f
    xor ax, ax
    mov ds, ax
    .ifndef QEMU                    # without firmware its local APIC keeps the 8259's interrupts out
    cmp word ptr ds:[TICKS], 2
    jb 15b
    .endif
16: EXPECT16 ax, 0
    cli
    PASS16

some_word: .word 0x7a5a

# Takes a number on the stack, answers in AX.
fibonacci:
    enter 2, 0
    mov ax, [bp + 4]
    cmp ax, 2
    jb 1f
    dec ax
    push ax
    call fibonacci
    mov [bp - 2], ax
    mov ax, [bp + 4]
    sub ax, 2
    push ax
    call fibonacci
    add ax, [bp - 2]
1:  leave
    ret 2

tick:
    push ax
    push ds
    xor ax, ax
    mov ds, ax
    inc word ptr ds:[TICKS]
    mov al, 0x20
    out 0x20, al
    pop ds
    pop ax
    iret
