#! title = "Loading the selector that a register holds: nothing changes, until the descriptor does"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 11, 12. SDM volume 3A, 3.4.3, 5.3. A translator that takes such a load for nothing misses edits of the descriptor.
    .include "pm.inc"
    .set S, SPARE

main:
    mov dword ptr [rounds], 30
again:
    DESC S, table, 0xffff, 0x92, 0x40
    call load
    EXPECT edx, 0x11111111
    call load                       # again: the same
    EXPECT edx, 0x11111111
    call load_pop
    EXPECT edx, 0x11111111
    DESC S, table + 4, 0xffff, 0x92, 0x40
    call load                       # the base moved
    EXPECT edx, 0x22222222
    call load_pop
    EXPECT edx, 0x22222222
    DESC S, table + 8, 0xffff, 0x92, 0x40
    call load_pop
    EXPECT edx, 0x33333333
    # The accessed bit is set by each load that finds it clear.
    mov byte ptr [gdt + S + 5], 0x92
    call load
    movzx eax, byte ptr [gdt + S + 5]
    EXPECT eax, 0x93
    # Not present: #NP with the selector.
    DESC S, table, 0xffff, 0x12, 0x40
    ARM 3f
    call load
    FAIL
3:  DISARM
    EXPECT [exc_vector], 11
    EXPECT [exc_eip], (OFFSET load_at)
    # Back, then beyond the table's limit: #GP with the selector.
    DESC S, table, 0xffff, 0x92, 0x40
    call load
    call load
    sub word ptr [gdt_pointer], gdt_end - gdt - S
    lgdt [gdt_pointer]
    ARM 3f
    call load
    FAIL
3:  DISARM
    add word ptr [gdt_pointer], gdt_end - gdt - S
    lgdt [gdt_pointer]
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (OFFSET load_at)
    call load
    EXPECT edx, 0x11111111
    dec dword ptr [rounds]
    jnz again
    mov eax, ds
    mov es, eax
    ret

# MOV to ES in a block with others; flags survive it.
load:
    mov eax, S
    stc
load_at:
    mov es, eax
    jnc 9f
    mov edx, es:[0]
    ret
9:  FAIL

load_pop:
    push S
    pop es
    mov edx, es:[0]
    ret

    .data
    .align 4
table:
    .long 0x11111111, 0x22222222, 0x33333333
rounds:
    .long 0
