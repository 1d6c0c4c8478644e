#! title = "Accessed and dirty bits: set by what, and not by what"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 33. SDM volume 3A, 4.8: A in every entry used for a translation, D only in the entry that maps the page and only
# by a write; neither is ever cleared by the processor; a write that faults sets no D.
    .include "pm.inc"
    .include "paging.inc"
    .set ADDR, WINDOW + 0x2000

.macro ENTRY_IS want
    mov eax, [pt1 + 8]
    and eax, 0xfff
    EXPECT eax, \want
.endm

.macro FRESH flags
    MAP 2, frame, \flags
    and dword ptr [page_dir + 4], ~(A + D)
    FLUSH
.endm

main:
    call paging_on
    FRESH P+W+U
    ENTRY_IS P+W+U                  # setting an entry sets nothing else
    mov eax, [ADDR]
    ENTRY_IS P+W+U+A
    mov eax, [page_dir + 4]
    and eax, A + D
    EXPECT eax, A                   # D is no bit of an entry that names a table
    mov dword ptr [ADDR + 4], eax   # the page is in the TLB by now, for reading
    ENTRY_IS P+W+U+A+D

    FRESH P+W+U                     # a write at once
    mov byte ptr [ADDR], 1
    ENTRY_IS P+W+U+A+D

    FRESH P+W+U                     # cleared with INVLPG, set again by the next access
    mov byte ptr [ADDR], 1
    and dword ptr [pt1 + 8], ~(A + D)
    invlpg [ADDR]
    mov al, [ADDR]
    ENTRY_IS P+W+U+A
    and dword ptr [pt1 + 8], ~A
    invlpg [ADDR]
    mov byte ptr [ADDR], 1
    ENTRY_IS P+W+U+A+D
    and dword ptr [pt1 + 8], ~D     # only D cleared: the next write sets it after the flush
    invlpg [ADDR]
    mov al, [ADDR]
    ENTRY_IS P+W+U+A
    mov byte ptr [ADDR], 1
    ENTRY_IS P+W+U+A+D

    FRESH P                         # a ring-0 write to a read-only page with WP clear is a write
    mov byte ptr [ADDR], 1
    ENTRY_IS P+A+D

    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    FRESH P+U                       # with WP it faults, and D stays clear
    FAULTS 14, 3, mov byte ptr [ADDR], 1
    mov eax, [pt1 + 8]
    and eax, D
    EXPECT eax, 0
    FRESH P+W                       # ... as does one from ring 3
    FAULTS3 14, 7, mov byte ptr [ADDR], 1
    mov eax, [pt1 + 8]
    and eax, D
    EXPECT eax, 0
    mov eax, cr0
    and eax, ~0x10000
    mov cr0, eax

    FRESH W+U                       # an absent entry is left alone
    FAULTS 14, 2, mov byte ptr [ADDR], 1
    ENTRY_IS W+U

    FRESH P+W+U                     # INVLPG and LEA are no accesses, a fetch is a read
    invlpg [ADDR]
    lea eax, [ADDR]
    ENTRY_IS P+W+U
    mov byte ptr [frame], 0xc3
    mov ecx, ADDR
    call ecx
    ENTRY_IS P+W+U+A

    FRESH P+W+U                     # a compare that fails writes all the same (docs/traps.md 46)
    mov eax, [frame]
    not eax
    lock cmpxchg [ADDR], ecx
    ENTRY_IS P+W+U+A+D
    FRESH P+W+U                     # REP with a count of zero touches nothing
    xor ecx, ecx
    mov edi, ADDR
    rep stosb
    ENTRY_IS P+W+U
    FRESH P+W+U                     # a shift by zero through memory may write; a PUSH does
    mov edx, esp
    lea esp, [ADDR + 64]
    push eax
    mov esp, edx
    ENTRY_IS P+W+U+A+D

    # The tables' own page, written through its identity mapping, is an ordinary page with A and D.
    mov eax, OFFSET pt1
    shr eax, 12
    and dword ptr [pt0 + eax * 4], ~D
    FLUSH
    MAP 9, frame, P
    test dword ptr [pt0 + eax * 4], D
    setnz al
    movzx eax, al
    EXPECT eax, 1
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
