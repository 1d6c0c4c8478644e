#! title = "PAE: PDPTEs loaded by CR3 alone, 2 MiB and 4 KiB pages, reserved bits, memory beyond what 32 bits of a PTE say"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 34, with PAE (CPUID.PAE is set on this model). SDM volume 3A, 4.4 and 4.7. A lazy MMU walks the PDPT anew at each miss,
# forgets the upper halves, or takes bit 7 for a size only when CR4.PSE is set.
    .include "pm.inc"
    .set P, 1
    .set W, 2
    .set U, 4
    .set PS, 0x80
    .set WINDOW, 0x40000000         # the second PDPTE
    .ifdef QEMU
    .set RSVD, 8                    # (QEMU leaves P out; SDM volume 3A, 4.7: RSVD comes with P)
    .else
    .set RSVD, 9
    .endif

.macro FLUSH
    mov eax, cr3
    mov cr3, eax
.endm
# PDPTE, PDE or PTE `index` of `table`.
.macro ENTRY table, index, base, flags=0, high=0
    mov dword ptr [\table + (\index) * 8], OFFSET \base + (\flags)
    mov dword ptr [\table + (\index) * 8 + 4], \high
.endm

main:
    mov eax, 1
    cpuid
    and edx, 0x40
    EXPECT edx, 0x40
    # 32 MiB one to one by 2 MiB pages; CR4.PSE stays clear: bit 7 counts all the same.
    mov edi, OFFSET pd0
    mov eax, P + W + U + PS
    mov ecx, 16
1:  mov [edi], eax
    mov dword ptr [edi + 4], 0
    add edi, 8
    add eax, 0x200000
    loop 1b
    ENTRY pdpt, 0, pd0, P
    ENTRY pdpt, 1, pd1, P
    ENTRY pdpt, 2, 0, 0
    ENTRY pdpt, 3, 0, 0
    ENTRY pd1, 0, pt, P+W+U
    mov eax, cr4
    and eax, ~0x10
    or eax, 0x20
    mov cr4, eax
    mov eax, OFFSET pdpt
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80010000              # PG and WP
    mov cr0, eax
    mov dword ptr [rounds], 15
again:
    mov dword ptr [page_a], 0xaaaa
    mov dword ptr [page_b], 0xbbbb
    ENTRY pt, 0, page_a, P+W+U
    ENTRY pt, 1, page_b, P
    ENTRY pt, 2, 0, 0
    ENTRY pt, 511, page_b, P+W+U
    FLUSH
    EXPECT [WINDOW], 0xaaaa
    EXPECT [WINDOW + 0x1000], 0xbbbb
    EXPECT [WINDOW + 511 * 0x1000], 0xbbbb
    mov dword ptr [WINDOW], 0xa5a5
    EXPECT [page_a], 0xa5a5
    mov eax, [pt]                   # A and D set in the right halves
    and eax, 0x60
    EXPECT eax, 0x60
    EXPECT [pt + 4], 0
    mov eax, [pt + 8]
    and eax, 0x60
    EXPECT eax, 0x20
    FAULTS 14, 3, mov [WINDOW + 0x1000], eax
    FAULTS 14, 0, mov eax, [WINDOW + 0x2000]
    FAULTS 14, 0, mov eax, [WINDOW + 0x200000]  # no PDE
    FAULTS 14, 0, mov eax, [0x80000000]         # no PDPTE
    EXPECT [exc_cr2], 0x80000000
    FAULTS3 14, 5, mov eax, [WINDOW + 0x1000]
    FAULTS3 14, 4, mov eax, [WINDOW + 0x2000]
    # A 2 MiB page in the window: bits 20:13 of its entry are reserved.
    ENTRY pd1, 1, 0x200000, P+W+PS
    mov dword ptr [0x200000 + 0x12345 * 4], 0x2222
    FLUSH
    EXPECT [WINDOW + 0x200000 + 0x12345 * 4], 0x2222
    ENTRY pd1, 1, 0x202000, P+W+PS
    invlpg [WINDOW + 0x200000]
    FAULTS 14, RSVD, mov eax, [WINDOW + 0x200000]
    FAULTS 14, RSVD+2, mov [WINDOW + 0x200000], eax
    # Bits beyond the physical width, and bit 63 without EFER.NXE: reserved, in PDE and PTE.
    ENTRY pd1, 1, 0x200000, P+W+PS, 0x80000000
    FLUSH
    FAULTS 14, RSVD, mov eax, [WINDOW + 0x200000]
    ENTRY pt, 3, page_a, P+W, 0x80000000
    FAULTS 14, RSVD, mov eax, [WINDOW + 0x3000]
    ENTRY pt, 3, page_a, P+W, 0x00080000
    .ifndef QEMU                    # (QEMU's model is 40 bits wide or more)
    FAULTS 14, RSVD, mov eax, [WINDOW + 0x3000]
    .endif
    ENTRY pt, 3, page_a, 0, 0x80000000      # not present: nothing is reserved
    FAULTS 14, 0, mov eax, [WINDOW + 0x3000]
    ENTRY pd1, 1, 0, 0
    # The upper half counts: the same low half at 4 GiB is another page, where nothing is.
    ENTRY pt, 4, page_a, P+W, 1
    invlpg [WINDOW + 0x4000]
    mov dword ptr [WINDOW + 0x4000], 0x7777
    EXPECT [page_a], 0xa5a5
    # PDPTEs are loaded by MOV CR3: a change in memory means nothing before.
    ENTRY pdpt, 1, pd2, P
    ENTRY pd2, 0, pt2, P+W+U
    ENTRY pt2, 0, page_b, P+W+U
    invlpg [WINDOW]
    .ifndef QEMU                    # (QEMU reads them at each walk)
    EXPECT [WINDOW], 0xa5a5
    .endif
    FLUSH
    EXPECT [WINDOW], 0xbbbb
    ENTRY pdpt, 1, pd1, P
    FLUSH
    EXPECT [WINDOW], 0xa5a5
    # Reserved bits in a present PDPTE: #GP(0) at the load, CR3 and the translations stay.
    .ifndef QEMU
    ENTRY pdpt, 2, pd2, P+W
    mov eax, OFFSET pdpt
    FAULTS 13, 0, mov cr3, eax
    EXPECT [WINDOW], 0xa5a5
    ENTRY pdpt, 2, pd2, W   # absent: fine
    mov eax, OFFSET pdpt
    mov cr3, eax
    .endif
    ENTRY pdpt, 2, 0, 0
    # The PDPT lies on 32 bytes: bits 11:5 of CR3 are address.
    mov eax, [pdpt]
    mov [pdpt_b], eax
    mov eax, OFFSET pd2 + P
    mov [pdpt_b + 8], eax
    mov eax, OFFSET pdpt_b
    mov cr3, eax
    EXPECT [WINDOW], 0xbbbb
    mov eax, OFFSET pdpt
    mov cr3, eax
    EXPECT [WINDOW], 0xa5a5
    # Code through a PAE mapping, remapped.
    mov byte ptr [page_a + 0x10], 0xb8          # MOV EAX, 1; RET
    mov dword ptr [page_a + 0x11], 1
    mov byte ptr [page_a + 0x15], 0xc3
    mov byte ptr [page_b + 0x10], 0xb8
    mov dword ptr [page_b + 0x11], 2
    mov byte ptr [page_b + 0x15], 0xc3
    mov edx, WINDOW + 0x10
    call edx
    EXPECT eax, 1
    ENTRY pt, 0, page_b, P+W+U
    invlpg [WINDOW]
    mov edx, WINDOW + 0x10
    call edx
    EXPECT eax, 2
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 4096
pd0: .skip 4096
pd1: .skip 4096
pd2: .skip 4096
pt: .skip 4096
pt2: .skip 4096
page_a: .skip 4096
page_b: .skip 4096
pdpt: .skip 32
pdpt_b: .skip 32
rounds: .skip 4
