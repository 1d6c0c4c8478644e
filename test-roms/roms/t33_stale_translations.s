#! title = "Page-table entries changed without a flush: the old translation or the new one, never a mix of both"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
#! engines = ["bt", "interp"]
# docs/traps.md 33. SDM volume 3A, 4.10.4.3: until the flush an access may use either, but what it does to memory, to D and to
# rights must belong to one of the two. After the flush only the new one counts.
# (Not in lockstep: one engine may choose the old translation and the other the new, and both be right.)
    .include "pm.inc"
    .include "paging.inc"
    .set ADDR, WINDOW + 0x3000

main:
    call paging_on
    mov dword ptr [rounds], 60
again:
    # A read, then a write: the write goes where one of the entries says, and D is set in the entry that was used.
    mov dword ptr [one], 0
    mov dword ptr [two], 0
    MAP 3, one, P+W+U
    FLUSH
    mov dword ptr [ADDR + 4], 1     # in the TLB, dirty
    MAP 3, two, P+W+U               # no flush
    mov dword ptr [ADDR], 0x77
    mov eax, [one]
    add eax, [two]
    EXPECT eax, 0x77                # in one frame only
    cmp dword ptr [two], 0x77
    jne 1f
    mov eax, [pt1 + 12]             # by the new entry: then it is dirty
    and eax, A+D
    EXPECT eax, A+D
1:  FLUSH
    mov dword ptr [two], 0x88
    EXPECT [ADDR], 0x88
    # A D flag cleared without a flush need not come back; after the flush it must.
    mov dword ptr [ADDR], 1
    and dword ptr [pt1 + 12], ~D
    mov dword ptr [ADDR], 2
    FLUSH
    mov dword ptr [ADDR], 3
    mov eax, [pt1 + 12]
    and eax, D
    EXPECT eax, D
    # A right taken away: until the flush the write succeeds whole or faults whole.
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    mov dword ptr [ADDR], 0x1111
    MAP 3, two, P+U+A
    ARM 2f
    mov dword ptr [ADDR], 0x2222
2:  DISARM
    mov eax, 0x2222
    cmp dword ptr [exc_vector], -1
    je 3f
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 3
    mov eax, 0x1111
3:  EXPECT [two], eax
    mov eax, [pt1 + 12]             # and no write was made by an entry that forbids it
    and eax, D
    EXPECT eax, 0
    FLUSH
    FAULTS 14, 3, mov dword ptr [ADDR], 0x3333
    # A right given needs no flush once the fault has been taken (4.10.4.3).
    MAP 3, two, P+W+U
    mov dword ptr [ADDR], 0x4444
    EXPECT [two], 0x4444
    mov eax, cr0
    and eax, ~0x10000
    mov cr0, eax
    # A page made absent: old content or a fault; after INVLPG a fault.
    MAP 3, two, 0
    mov eax, 0x4444
    ARM 4f
    mov eax, [ADDR]
4:  DISARM
    EXPECT eax, 0x4444
    invlpg [ADDR]
    FAULTS 14, 0, mov eax, [ADDR]
    EXPECT [pt1 + 12], (OFFSET two) # nothing set A in an absent entry
    # Code by a stale translation: the old function or the new one.
    mov byte ptr [one + 16], 0xb8
    mov dword ptr [one + 17], 0x100
    mov byte ptr [one + 21], 0xc3
    mov byte ptr [two + 16], 0xb8
    mov dword ptr [two + 17], 0x200
    mov byte ptr [two + 21], 0xc3
    MAP 3, one, P+W+U
    FLUSH
    mov edx, ADDR + 16
    mov ecx, 30
5:  call edx
    EXPECT eax, 0x100
    loop 5b
    MAP 3, two, P+W+U
    call edx
    and eax, ~0x300
    EXPECT eax, 0
    FLUSH
    call edx
    EXPECT eax, 0x200
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 4096
one: .skip 4096
two: .skip 4096
rounds: .skip 4
