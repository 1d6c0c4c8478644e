#! title = "The end of a 64 KiB segment in real mode: what wraps, what is #GP, what is #SS"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 9, 15, 43. SDM volume 3B, 21.33 (wraparound) and volume 1, 3.3.1: 16-bit effective addresses wrap at 64 KiB, an
# operand that straddles the limit is #GP (#SS on the stack) from the 80286 on. QEMU checks no limits.
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    mov ax, 0x2000
    mov ds, ax
    mov es, ax
    mov word ptr ds:[0], 0x1100
    mov word ptr ds:[2], 0x3322
    mov word ptr ds:[0xfffe], 0xeedd
    xor ax, ax
    mov fs, ax
    mov word ptr fs:[0x6f00], 20
again:
    # The address wraps before the access: base + index, base + displacement, all in 16 bits.
    mov bx, 0xffff
    mov si, 3
    mov al, ds:[bx + si]            # 2
    EXPECT16 ax, 0x0022
    mov al, ds:[bx + 1]
    EXPECT16 ax, 0x0000
    mov ax, ds:[bx + si - 1]        # 1
    EXPECT16 ax, 0x2211
    mov ax, 0x00ff
    mov bx, 0xff04
    xlatb                           # BX + AL = 3
    EXPECT16 ax, 0x0033
    mov al, ds:[0xffff]
    EXPECT16 ax, 0x00ee
    # LEA truncates.
    mov bx, 0xfff0
    lea ax, [bx + 0x20]
    EXPECT16 ax, 0x10
    lea eax, [bx + 0x20]
    EXPECT16 ax, 0x10
    shr eax, 16
    EXPECT16 ax, 0
    # BT with a bit offset in a register, in 16-bit addressing: bit -16 of word 0 is in word FFFEh.
    mov ax, -16
    clc
    bt word ptr ds:[0], ax
    setc al
    EXPECT16 ax, 0xff01             # (DDh has bit 0)
    # Strings: SI and DI wrap, byte by byte.
    cld
    mov si, 0xffff
    lodsb
    EXPECT16 si, 0
    mov si, 0xfffe
    lodsw
    EXPECT16 ax, 0xeedd
    EXPECT16 si, 0
    mov byte ptr ds:[0xffff], 0xee
    mov si, 0xfffe
    mov di, 0x8000
    mov cx, 5
    rep movsb
    EXPECT16 si, 3
    EXPECT16 di, 0x8005
    EXPECT16 cx, 0
    EXPECT16 "word ptr ds:[0x8000]", 0xeedd
    EXPECT16 "word ptr ds:[0x8002]", 0x1100
    EXPECT16 "word ptr ds:[0x8003]", 0x2211
    std
    mov di, 1
    mov al, 0
    mov cx, 2
    repe scasb                      # [1] is 11h
    EXPECT16 di, 0
    cld
    mov di, 0xffff
    mov eax, 0x44
    mov ecx, 0x10001                # only CX counts
    rep stosb
    EXPECT16 di, 0
    EXPECT16 cx, 0
    shr ecx, 16
    EXPECT16 cx, 1                  # and the upper half stays
    mov byte ptr ds:[0xffff], 0xee
    # PUSH at SP = 0 goes to FFFEh; POP there comes back to 0.
    mov dx, ss
    mov bx, sp
    mov ax, 0x3000
    mov ss, ax
    mov esp, 0x40000
    pushw 0x4567
    mov esi, esp
    popw ax
    mov edi, esp
    mov ss, dx
    movzx esp, bx
    EXPECT16 ax, 0x4567
    EXPECT16 si, 0xfffe
    EXPECT16 di, 0
    shr esi, 16
    shr edi, 16
    EXPECT16 si, 4
    EXPECT16 di, 4
    # CALL and RET over it.
    mov bx, sp
    mov ax, 0x3000
    mov ss, ax
    xor sp, sp
    call 1f
1:  pop ax
    mov cx, sp
    mov ss, dx
    mov sp, bx
    EXPECT16 ax, (OFFSET 1b)
    EXPECT16 cx, 0
    .ifndef QEMU
    call limits
    .endif
    xor ax, ax
    mov fs, ax
    dec word ptr fs:[0x6f00]
    jnz again
    PASS16

# Operands over the end: #GP, nothing read or written. (The macro's vector table is at 0.)
limits:
    mov ax, 0x2000
    mov gs, ax
    mov fs, ax
    xor ax, ax
    mov ds, ax
    mov es, ax
    FAULTS16 13, mov ax, gs:[0xffff]
    FAULTS16 13, mov gs:[0xffff], ax
    FAULTS16 13, mov eax, gs:[0xfffd]
    FAULTS16 13, mov eax, gs:[0xfffe]
    FAULTS16 13, add word ptr gs:[0xffff], 1
    FAULTS16 13, xchg gs:[0xffff], ax
    mov si, 0xffff
    FAULTS16 13, lods ax, word ptr gs:[si]
    EXPECT16 si, 0xffff
    mov di, 0xfffd
    mov ax, 0x2000
    mov es, ax
    FAULTS16 13, stosd
    EXPECT16 di, 0xfffd
    mov si, 0xffff
    mov di, 0x8000
    mov cx, 3
    FAULTS16 13, rep movs word ptr es:[di], word ptr fs:[si]
    EXPECT16 si, 0xffff
    xor ax, ax
    mov es, ax
    EXPECT16 "word ptr gs:[0xfffe]", 0xeedd
    # 32-bit addresses do not wrap at 64 KiB.
    mov esi, 0x10000
    FAULTS16 13, mov al, gs:[esi]
    mov esi, -1
    FAULTS16 13, mov al, gs:[esi + 1 - 1]
    FAULTS16 13, mov al, gs:[esi * 2]
    xor ax, ax
    mov al, gs:[esi + 3]            # 2
    EXPECT16 ax, 0x0022
    FAULTS16 13, fld qword ptr gs:[0xfffc]
    FAULTS16 13, fstp tbyte ptr gs:[0xfff8]
    FAULTS16 13, les si, gs:[0xfffd]
    FAULTS16 13, sgdt gs:[0xfffc]
    # Through BP: #SS.
    mov bp, 0xffff
    FAULTS16 12, mov ax, [bp]
    FAULTS16 12, mov [bp], ax
    FAULTS16 12, inc word ptr [bp]
    # POP at SP = FFFFh: #SS, SP stays. (The frame goes below.)
    mov word ptr ds:[12 * 4], OFFSET 1f
    mov word ptr ds:[12 * 4 + 2], cs
    mov bx, sp
    mov dx, ss
    mov ax, 0x3000
    mov ss, ax
    mov sp, 0xffff
    mov ax, 0x99
2:  pop ax
1:  mov si, sp
    pop cx
    mov ss, dx
    mov sp, bx
    EXPECT16 ax, 0x99
    EXPECT16 si, 0xfff9
    EXPECT16 cx, (OFFSET 2b)
    # RET there too; and POPA with room for seven of eight.
    mov word ptr ds:[12 * 4], OFFSET 1f
    mov ax, 0x3000
    mov ss, ax
    mov sp, 0xffff
2:  ret
1:  pop cx
    mov si, sp
    mov ss, dx
    mov sp, bx
    EXPECT16 cx, (OFFSET 2b)
    EXPECT16 si, 0xfffb
    mov ax, 0x2000
    mov ds, ax
    mov es, ax
    ret
