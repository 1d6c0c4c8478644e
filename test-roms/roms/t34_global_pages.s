#! title = "TLB invalidation: CR3, INVLPG, CR4.PGE, CR0.PG, and what global pages change"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 4.10. Only what it guarantees is checked: after the right invalidation the new entry holds. Whether a
# stale one was used before is nobody's business.
    .include "pm.inc"
    .include "paging.inc"
    .set ADDR, WINDOW + 0x5000

.macro SEES want
    mov eax, [ADDR]
    EXPECT eax, \want
.endm

main:
    mov dword ptr [one], 1
    mov dword ptr [two], 2
    call paging_on
    MAP 5, one, P+W
    SEES 1                          # absent to present needs no flush
    MAP 5, two, P+W
    FLUSH
    SEES 2
    MAP 5, one, P+W
    invlpg [ADDR + 0xfff]
    SEES 1

    mov eax, cr4
    or eax, 0x80
    mov cr4, eax
    MAP 5, two, P+W+G
    invlpg [ADDR]
    SEES 2
    MAP 5, one, P+W+G
    invlpg [ADDR]                   # INVLPG drops global entries too
    SEES 1
    MAP 5, two, P+W+G
    mov eax, cr4
    and eax, ~0x80                  # as does any change of PGE
    mov cr4, eax
    SEES 2
    MAP 5, one, P+W+G               # with PGE clear G means nothing
    FLUSH
    SEES 1
    mov eax, cr4
    or eax, 0x80
    mov cr4, eax
    SEES 1
    MAP 5, two, P+W+G
    mov eax, cr0                    # and a change of PG
    and eax, 0x7fffffff
    mov cr0, eax
    jmp 1f
1:  or eax, 0x80000000
    mov cr0, eax
    jmp 1f
1:  SEES 2

    # A second address space: same directory but for the window, alternated; each shows its own page.
    mov esi, OFFSET page_dir
    mov edi, OFFSET other_dir
    mov ecx, 1024
    rep movsd
    mov dword ptr [other_dir + 4], OFFSET other_pt + P + W
    mov dword ptr [other_pt + 5 * 4], OFFSET one + P + W
    MAP 5, two, P+W
    invlpg [ADDR]
    mov ebx, OFFSET page_dir
    mov ebp, OFFSET other_dir
    mov ecx, 100
1:  mov cr3, ebp
    SEES 1
    mov cr3, ebx
    SEES 2
    dec ecx
    jnz 1b
    # An edit of the space that is not loaded needs no more than its load.
    mov dword ptr [other_pt + 5 * 4], OFFSET three + P + W
    mov dword ptr [three], 3
    mov cr3, ebp
    SEES 3
    mov cr3, ebx
    SEES 2
    # A store through one space is seen in the other: memory is physical.
    mov dword ptr [ADDR], 0x2222
    EXPECT [two], 0x2222

    # Permissions taken away: INVLPG makes it hold.
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    mov byte ptr [ADDR], 7
    MAP 5, two, P
    invlpg [ADDR]
    FAULTS 14, 3, mov byte ptr [ADDR], 8
    MAP 5, two, 0
    invlpg [ADDR]
    FAULTS 14, 0, mov al, [ADDR]
    # After a fault the entry may be raised without a flush.
    MAP 5, two, P+W
    mov byte ptr [ADDR], 9
    movzx eax, byte ptr [two]
    EXPECT eax, 9
    ret

    .section .bss
    .balign 4096
one: .skip 4096
two: .skip 4096
three: .skip 4096
other_dir: .skip 4096
other_pt: .skip 4096
