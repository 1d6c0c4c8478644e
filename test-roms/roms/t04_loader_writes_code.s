#! title = "Code that a loader, a string input and a device's data overwrite after it has become hot"
#! load = "bootsector"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 4. The disk's sector comes over code that has run a thousand times (by DMA on a real machine, behind the
# processor's back); INS stores what a port gives into the same. After a serialising instruction the new code runs.
    .intel_syntax noprefix
    .code16
    .arch pentium4
    .globl start
    .macro CHECK condition
    .set check_no, check_no + 1
    mov bp, check_no
    j\condition failed
    .endm
    .set check_no, 0
    .set COPY, 0x9000               # where the sector is read to
start:
    jmp 0:OFFSET 1f
1:  xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    cld
    mov [drive], dl

    mov word ptr [rounds], 20
again:
    call read_sector                # `function` comes to COPY: it answers 1234h
    CHECK c
    mov dx, 0x1234
    call run_it
    CHECK ne
    mov word ptr ds:[COPY + function - start + 1], 0x4321
    mov dx, 0x4321
    call run_it
    CHECK ne
    call read_sector                # the loader's bytes replace the store's
    CHECK c
    mov dx, 0x1234
    call run_it
    CHECK ne

    # A byte from a device's register into the immediate of hot code, by INSB, one at a time and repeated.
    mov al, [rounds]
    mov dx, 0x3ff                   # the serial port's scratch register
    out dx, al
    mov di, COPY + function - start + 1
    insb
    mov dh, 0x12
    mov dl, [rounds]
    call run_it
    CHECK ne
    mov dx, 0x3ff
    mov al, 0x5a
    out dx, al
    mov di, COPY + function - start + 1
    mov cx, 2
    rep insb
    mov dx, 0x5a5a
    call run_it
    CHECK ne
    dec word ptr [rounds]
    jnz again

    mov si, OFFSET text
    mov dx, 0x3fb
    mov al, 3
    out dx, al
1:  mov dx, 0x3fd
    in al, dx
    test al, 0x20
    jz 1b
    mov dx, 0x3f8
    lodsb
    test al, al
    jz 2f
    out dx, al
    jmp 1b
2:  mov al, 0
3:  out 0xf4, al
    cli
4:  hlt
    jmp 4b

failed:
    mov ax, bp
    jmp 3b

# Runs the copy a thousand times; ZF set if it answered DX each time.
run_it:
    xor eax, eax
    push dx
    cpuid                           # (clobbers EBX, ECX, EDX)
    pop dx
    mov cx, 1000
1:  mov bx, COPY + function - start
    call bx
    cmp ax, dx
    jne 2f
    dec cx
    jnz 1b
2:  ret

read_sector:
    mov si, 3                       # (a floppy drive may want its motor to spin up)
1:  mov ax, 0x0201
    mov bx, COPY
    mov cx, 1
    mov dh, 0
    mov dl, [drive]
    int 0x13
    jnc 2f
    dec si
    jnz 1b
    stc
2:  ret

function:
    mov ax, 0x1234
    ret

drive: .byte 0
rounds: .word 0
text: .asciz "PASS\r\n"
