#! title = "Page tables that map themselves, that lie nowhere, that are aliased"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 42. SDM volume 3A, 4.3: an entry is an entry wherever it is; the recursive mapping at FFC00000h.
    .include "pm.inc"
    .include "paging.inc"
    .set SELF, 0xffc00000           # directory entry 1023 names the directory
    .set PT1_SELF, SELF + 0x1000    # so table n is at SELF + n * 4096
    .set DIR_SELF, 0xfffff000

main:
    call paging_on
    mov dword ptr [page_dir + 1023 * 4], OFFSET page_dir + P + W
    mov dword ptr [one], 1
    mov dword ptr [two], 2
    FLUSH
    mov eax, [DIR_SELF + 1023 * 4]
    or eax, A + D                   # (D: the entry maps a page here)
    EXPECT eax, (OFFSET page_dir + P + W + A + D)

    # Entries written through the recursive mapping.
    mov dword ptr [PT1_SELF + 4], OFFSET one + P + W
    invlpg [WINDOW + 0x1000]
    EXPECT [WINDOW + 0x1000], 1
    mov dword ptr [PT1_SELF + 4], OFFSET two + P + W
    invlpg [WINDOW + 0x1000]
    EXPECT [WINDOW + 0x1000], 2
    # The processor's A and D are seen through it.
    mov byte ptr [WINDOW + 0x1004], 1
    mov eax, [PT1_SELF + 4]
    and eax, A + D
    EXPECT eax, A + D
    # A table entry that maps the table itself: the store edits the entry that it goes through.
    mov dword ptr [PT1_SELF + 2 * 4], OFFSET pt1 + P + W
    invlpg [WINDOW + 0x2000]
    mov dword ptr [WINDOW + 0x2000 + 3 * 4], OFFSET one + P + W
    invlpg [WINDOW + 0x3000]
    EXPECT [WINDOW + 0x3000], 1
    mov dword ptr [WINDOW + 0x2000 + 2 * 4], OFFSET two + P + W
    invlpg [WINDOW + 0x2000]
    EXPECT [WINDOW + 0x2000], 2
    EXPECT [two], 2

    # Absent at the recursive level.
    mov dword ptr [DIR_SELF + 7 * 4], 0
    FLUSH
    FAULTS 14, 0, mov eax, [SELF + 7 * 4096]
    FAULTS 14, 2, mov [SELF + 7 * 4096], eax

    # A table where nothing answers. What the bus reads is not defined: the access faults or does not, and life goes on.
    mov dword ptr [page_dir + 5 * 4], 0xd0000000 + P + W
    FLUSH
    ARM 1f
    mov eax, [0x1400000]
1:  DISARM
    cmp dword ptr [exc_vector], -1
    je 2f
    EXPECT [exc_vector], 14
2:
    .ifndef QEMU                    # (QEMU tries for ever to set the A bit)
    mov dword ptr [page_dir + 5 * 4], 0xf0000 + P   # a table in ROM: its A bits cannot be set
    FLUSH
    ARM 1f
    mov eax, [0x1400000]
1:  DISARM
    .endif
    mov dword ptr [page_dir + 5 * 4], 0
    # A directory where nothing answers would lose the code too: not tried. CR3's low bits are no address.
    mov eax, OFFSET page_dir + 0x18
    mov cr3, eax
    EXPECT [WINDOW + 0x3000], 1
    mov eax, cr3
    and eax, ~0xfff
    EXPECT eax, (OFFSET page_dir)
    mov eax, OFFSET page_dir
    mov cr3, eax

    # One directory entry shared by two places: an alias of 4 MiB.
    mov eax, [page_dir]
    mov [page_dir + 9 * 4], eax
    FLUSH
    mov dword ptr [one + 0x2400000], 0x9191
    EXPECT [one], 0x9191
    mov dword ptr [pt1 + 0x2400000 + 6 * 4], OFFSET one + P + W
    EXPECT [WINDOW + 0x6000], 0x9191
    ret

    .section .bss
    .balign 4096
one: .skip 4096
two: .skip 4096
