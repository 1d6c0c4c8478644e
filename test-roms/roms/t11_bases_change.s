#! title = "One code, many segments: bases, limits, sizes and types that change between two runs; edits of the GDT that do not count"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 11. SDM volume 3A, 3.4.3 (the hidden part), 3.4.5. A lazy translator bakes base, limit or size into a block and runs it
# for the next segment, or reads the descriptor table at each access.
    .include "pm.inc"
    .set S, SPARE
    .set T, SPARE + 8
    .set C, SPARE + 0x10
    .set C16, SPARE + 0x18

main:
    mov dword ptr [rounds], 40
again:
    # The code at `walk` reads and writes through GS; its base moves by four bytes each time.
    mov ecx, 8
    xor ebp, ebp
1:  mov [table + ecx * 4 - 4], ecx
    loop 1b
    mov ecx, 8
2:  mov eax, S
    lea ebx, [table + ecx * 4 - 4]
    push ecx
    mov ecx, ebx
    mov edx, 0xfff
    mov ebx, 0x4092
    call set_desc
    pop ecx
    mov gs, eax
    call walk
    EXPECT eax, ecx
    loop 2b
    EXPECT [table + 28], 8+100

    # The limit shrinks and grows between two runs of the same code.
    .ifndef QEMU
    mov ebx, 3
    DESC S, table, 7, 0x92, 0x40
    mov eax, S
    mov gs, eax
    call walk3
    EXPECT edx, 0                   # no fault
    DESC S, table, 5, 0x92, 0x40
    call walk3                      # edited, not loaded: still 7
    EXPECT edx, 0
    mov eax, S
    mov gs, eax
    ARM 3f
    call walk3
    FAIL
3:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (OFFSET walk3_at)
    # The type: read-only, then writable.
    DESC S, table, 0xff, 0x90, 0x40
    mov eax, S
    mov gs, eax
    ARM 3f
    call walk3
    FAIL
3:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (OFFSET walk3_write)
    # Expand-down, the same offsets.
    DESC S, table, 0xff, 0x96, 0x40
    mov eax, S
    mov gs, eax
    ARM 3f
    call walk3
    FAIL
3:  DISARM
    EXPECT [exc_eip], (OFFSET walk3_at)
    .endif
    # DS itself: the same code with a flat and a based DS.
    mov dword ptr [table + 0x40], 0x4040
    DESC T, table, 0xfff, 0x92, 0x40
    mov eax, T
    mov ebx, 0x40
    mov ds, eax
    call through_ds
    mov ecx, eax
    mov eax, DATA0
    mov ds, eax
    EXPECT ecx, 0x4040
    mov ebx, OFFSET table + 0x40
    call through_ds
    EXPECT eax, 0x4040
    # SS: a based 32-bit stack, a 16-bit one, the flat one, for the same pushes.
    mov ebp, esp
    mov eax, 0x11
    call pushes
    mov edx, eax
    EXPECT edx, 0xfffffff8
    DESC T, small_stack, 0xfff, 0x92, 0x40
    mov eax, T
    mov ss, eax
    mov esp, 0x800
    call pushes
    mov ecx, DATA0
    mov ss, ecx
    mov esp, ebp
    EXPECT eax, 0xfffffff8
    EXPECT [small_stack + 0x7f4], 0x2222
    DESC T, small_stack, 0xffff, 0x92, 0
    mov eax, T
    mov ss, eax
    mov esp, 0xabcd0800
    mov dword ptr [small_stack + 0x7f4], 0
    call pushes
    mov ecx, DATA0
    mov ss, ecx
    mov esp, ebp
    EXPECT eax, 0xfffffff8
    EXPECT [small_stack + 0x7f4], 0x2222
    # CS: the same bytes as 32-bit and as 16-bit code.
    DESC C, bytes, 0xff, 0x9a, 0x40
    DESC C16, bytes, 0xff, 0x9a, 0
    mov eax, 0xffffffff
    call C:0
    EXPECT eax, 0x12345678
    mov eax, 0xffffffff
    call C16:0
    EXPECT eax, 0xffff566a
    # The descriptor redefined as code of the other size, by the same selector.
    DESC C, bytes, 0xff, 0x9a, 0
    mov eax, 0xffffffff
    call C:0
    EXPECT eax, 0xffff566a
    dec dword ptr [rounds]
    jnz again
    ret

walk:
    mov eax, gs:[0]
    add dword ptr gs:[0], 100
    cmp dword ptr gs:[0], 100
    ret
walk3:
    xor edx, edx
walk3_at:
    mov eax, gs:[ebx + 1]
walk3_write:
    mov gs:[ebx], al
    ret
through_ds:
    mov eax, [ebx]
    ret
# EAX: what ESP moved by two pushes; 2222h is the lower one.
pushes:
    mov ecx, esp
    push 0x1111
    push 0x2222
    mov eax, esp
    add esp, 8
    sub eax, ecx
    ret

# 32-bit: MOV EAX, 12345678h; JMP +2; RETF. 16-bit: MOV AX, 5678h; XOR AL, 12h; JMP +2; RETFD.
bytes:
    .byte 0xb8, 0x78, 0x56, 0x34, 0x12
    .byte 0xe9, 0x02, 0x00, 0x00, 0x00  # (the displacement has two bytes or four)
    .byte 0x66, 0xcb                # 16-bit code lands here
    .byte 0xcb                      # 32-bit code here

    .section .bss
    .balign 4
table: .skip 0x1000
small_stack: .skip 0x10000
rounds: .skip 4
