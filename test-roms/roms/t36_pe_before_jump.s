#! title = "CR0.PE flips before any jump: CS stays, segment loads change their meaning at once, the same code in both modes"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 36. SDM volume 3A, 9.9.1 and 3.4.3. Between MOV CR0 and the far jump the processor runs on with the hidden parts
# that it has. A lazy translator takes its real-mode block for the rest, or switches CS early.
    .include "real.inc"
    RESET_VECTOR start

.macro PE value
    mov eax, cr0
    and al, 0xfe
    or al, \value
    mov cr0, eax
.endm

# DS := BX, AX := the word at DS:10h, and whether STR is known (CX).
look:
    mov ds, bx
    mov ax, [0x10]
    ret

start:
    REAL_START
    lgdtd cs:[gdt_pointer]
    mov ax, 0x3000
    mov es, ax
    mov word ptr es:[0x10], 0x3333  # base 30000h: selector 8
    mov word ptr ds:[0x90], 0x8888  # base 80h: segment 8
    mov bp, 30
again:
    mov bx, 8
    call look
    EXPECT16 ax, 0x8888
    # In protected mode without a jump: the very same code, another meaning.
    PE 1
    mov bx, 8
    call look                       # CS is still F000 with its real-mode base
    mov si, ax
    mov di, cs
    push cs
    pop dx
    PE 0
    EXPECT16 si, 0x3333
    EXPECT16 di, 0xf000
    EXPECT16 dx, 0xf000
    mov bx, 0                       # DS keeps base 30000h until it is loaded
    EXPECT16 "word ptr ds:[0x10]", 0x3333
    mov bx, 8
    call look
    EXPECT16 ax, 0x8888
    xor ax, ax
    mov ds, ax
    # The instruction right behind the flip: STR and VERR are known there, #UD before and after.
    mov eax, cr0
    or al, 1
    mov cr0, eax
    str dx
    mov si, 8
    verr si
    setz cl
    and al, 0xfe
    mov cr0, eax
    EXPECT16 dx, 0
    movzx cx, cl
    EXPECT16 cx, 1
    FAULTS16 6, str dx
    FAULTS16 6, verr dx
    # LMSW sets PE and cannot clear it; SMSW shows it.
    smsw ax
    or al, 1
    lmsw ax
    mov si, 8
    verr si
    setz cl
    and al, 0xfe
    lmsw ax
    smsw dx
    verr si
    setz ch
    PE 0
    and dx, 1
    EXPECT16 dx, 1
    EXPECT16 cx, 0x101
    # A far jump into 32-bit code, a far jump back to 16-bit, and out of protected mode.
    mov sp, 0x7000
    PE 1
    .byte 0x66, 0xea
    .long wide
    .word 0x18
narrow:
    mov bx, 0x20                    # (16-bit limits again)
    mov ds, bx
    mov ss, bx
    PE 0
    jmp 0xf000:OFFSET 1f
1:  xor ax, ax
    mov ds, ax
    mov ss, ax
    EXPECT16 cx, 0x4321
    EXPECT16 sp, 0x7000
    mov ax, cs
    EXPECT16 ax, 0xf000
    mov ax, 0x3000
    mov es, ax
    dec bp
    jnz again
    # With PE set an exception goes by the IDT, not by the vectors at 0: here it is empty, so nothing may be raised; a
    # software interrupt in real mode afterwards goes by the vectors.
    mov word ptr ds:[0x40 * 4], OFFSET 2f
    mov word ptr ds:[0x40 * 4 + 2], cs
    mov cx, 0
    int 0x40
    EXPECT16 cx, 0x99
    PASS16
2:  mov cx, 0x99
    iret

    .code32
wide:
    mov cx, 0x10
    mov ss, cx
    push 0x4321
    pop ecx
    add ecx, 0
    .byte 0xea
    .long narrow
    .word 0x28
    .code16

    .balign 8
gdt:
    .quad 0
    .quad 0x000093030000ffff        # 08 data, base 30000h
    .quad 0x00cf93000000ffff        # 10 flat data
    .quad 0x00409b0f0000ffff        # 18 32-bit code over this ROM
    .quad 0x000093000000ffff        # 20 data, base 0, 64 KiB
    .quad 0x00009b0f0000ffff        # 28 16-bit code over this ROM
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt + 0xf0000
