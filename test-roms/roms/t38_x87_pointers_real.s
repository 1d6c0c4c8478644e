#! title = "FCS and FDS of x87 instructions before another CS or data segment in the same block"
#! load = "rom"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 38. SDM volume 1, 8.1.8: the pointers are those of the instruction, whatever is loaded behind it. Each case
# runs so often that it is translated. (QEMU keeps no pointers: there the checks of values are left out.)
    .include "real.inc"
    RESET_VECTOR start
    .set AWAY, 0x1000                # where far code is
    .set ENV, 0x600

.macro POINTER value, want
    .ifndef QEMU
    EXPECT16 \value, \want
    .endif
.endm

# Copies the code between the labels to AWAY:0000.
.macro PLACE from, to
    push es
    mov ax, AWAY
    mov es, ax
    xor di, di
    mov si, OFFSET \from
    mov cx, OFFSET \to - \from
    rep movsb es:[di], cs:[si]
    pop es
.endm

start:
    REAL_START
    fninit
    mov word ptr [0x500], 0x37b     # all masked but division by zero
    mov dword ptr [0x510], 0
    mov dword ptr [0x514], 0x3f800000

    # FCS: a far return, jump and call behind the instruction.
    PLACE far_return, far_jump
    mov cx, 200
1:  call AWAY:0x0000
    call environment
    loop 1b
    POINTER [ENV + 6], 2            # FIP 15..0: linear
    POINTER [ENV + 8], 0x1000       # FIP 19..16

    PLACE far_jump, far_call
    mov cx, 200
2:  mov word ptr [0x520], OFFSET 3f
    mov [0x522], cs
    jmp AWAY:0x0000
3:  call environment
    loop 2b
    POINTER [ENV + 6], 0
    POINTER [ENV + 8], 0x1000

    PLACE far_call, ends
    mov cx, 200
4:  mov word ptr [0x520], OFFSET back
    mov [0x522], cs
    call AWAY:0x0000
    loop 4b
    POINTER [ENV + 6], 4
    POINTER [ENV + 8], 0x1000

    # The same where the instruction is in one block and the far return in the next.
    mov ax, AWAY
    mov es, ax
    mov dword ptr es:[0], 0x9090e8d9    # fld1; nop; nop
    mov dword ptr es:[4], 0xebd8dd90    # nop; fstp st0; jmp +0
    mov word ptr es:[8], 0xcb00         # retf
    mov cx, 200
5:  call AWAY:0x0000
    call environment
    loop 5b
    POINTER [ENV + 6], 5
    POINTER [ENV + 8], 0x1000
    xor ax, ax
    mov es, ax

    # FDS: an unmasked exception waits, and the segment of its operand becomes another.
    mov cx, 200
6:  push cx
    fninit
    fldcw [0x500]
    mov ax, 0x20
    mov ds, ax
    fld dword ptr [0x514 - 0x200]
    fdiv dword ptr [0x510 - 0x200]
    mov ax, 0x3000
    mov ds, ax                      # in the same block
    fnstenv es:[ENV]
    xor ax, ax
    mov ds, ax
    fnclex
    pop cx
    loop 6b
    POINTER [ENV + 10], 0x510       # FDP 15..0: linear
    POINTER [ENV + 12], 0

    mov cx, 200
7:  push cx
    fninit
    fldcw [0x500]
    push 0x40
    pop es
    fld dword ptr es:[0x514 - 0x400]
    fdiv dword ptr es:[0x510 - 0x400]
    jmp 8f
8:  push 0x3000                     # in the next block
    pop es
    les bx, [0x510]
    push 0
    pop es
    fnstenv es:[ENV]
    fnclex
    pop cx
    loop 7b
    POINTER [ENV + 10], 0x510
    POINTER [ENV + 12], 0
    fninit
    PASS16

far_return:
    fld1
    fstp st(0)
    retf
far_jump:
    fnop
    xor bx, bx
    mov ds, bx
    .byte 0xff, 0x2e, 0x20, 0x05    # jmp far [0x520]
far_call:
    fld1
    fstp st(0)
    fnop
    .byte 0xff, 0x1e, 0x20, 0x05    # call far [0x520]
    retf
ends:

back:
    call environment
    retf

# Stores the environment and keeps it in force.
environment:
    fnstenv [ENV]
    fldenv [ENV]
    ret
