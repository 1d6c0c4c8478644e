#! title = "4 MiB pages: CR4.PSE, D in the directory entry, INVLPG, reserved bits"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 4.3 (32-bit paging), 4.7, 4.10.4.1. docs/traps.md 34.
    .include "pm.inc"
    .include "paging.inc"
    .set LARGE, 0x800000

main:
    call paging_on
    mov dword ptr [0x12345c], 0
    mov edx, [0x3ff000]

    mov eax, cr4
    or eax, 0x10
    mov cr4, eax
    mov dword ptr [page_dir + 8], P + W + U + PS    # 800000h .. BFFFFFh is 0 .. 3FFFFFh
    FLUSH
    mov eax, [LARGE + 0x3ff000]
    EXPECT eax, edx
    mov eax, [page_dir + 8]
    EXPECT eax, P+W+U+PS+A
    mov dword ptr [LARGE + 0x200010], 0x600dcafe
    EXPECT [0x200010], 0x600dcafe
    EXPECT [page_dir + 8], P+W+U+PS+A+D
    # Permissions of the large page.
    mov dword ptr [page_dir + 8], P + PS
    FLUSH
    FAULTS3 14, 5, mov al, [LARGE + 0x200010]
    FAULTS3 14, 7, mov [LARGE + 0x200010], al
    EXPECT [exc_cr2], LARGE + 0x200010
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    FAULTS 14, 3, mov [LARGE + 0x200010], al
    and eax, ~0x10000
    mov cr0, eax
    mov dword ptr [page_dir + 8], W + PS
    FLUSH
    FAULTS 14, 0, mov al, [LARGE + 0x200010]

    # INVLPG anywhere inside drops the whole large page.
    mov dword ptr [page_dir + 8], P + W + U + PS
    FLUSH
    mov al, [LARGE]
    mov al, [LARGE + 0x200000]
    mov al, [LARGE + 0x3ff000]
    mov dword ptr [page_dir + 8], 0
    invlpg [LARGE + 0x123456]
    FAULTS 14, 0, mov al, [LARGE]
    FAULTS 14, 0, mov al, [LARGE + 0x200000]
    FAULTS 14, 0, mov al, [LARGE + 0x3ff000]

    # Bit 21 of such an entry is reserved.
    mov dword ptr [page_dir + 8], P + W + U + PS + 0x200000
    FLUSH
    .ifndef QEMU                    # (QEMU reports such a fault without the P bit)
    FAULTS 14, 9, mov al, [LARGE]
    FAULTS 14, 11, mov [LARGE], al
    FAULTS3 14, 13, mov al, [LARGE]
    .endif

    # With PSE clear bit 7 means nothing: the entry names a table.
    mov eax, cr4
    and eax, ~0x10
    mov cr4, eax
    mov dword ptr [page_dir + 8], OFFSET pt1 + P + W + U + PS
    MAP 7, frame, P+W+U
    mov dword ptr [frame], 0x7a7a7a7a
    FLUSH
    EXPECT [LARGE + 0x7000], 0x7a7a7a7a
    # From a large page to a table and back.
    mov eax, cr4
    or eax, 0x10
    mov cr4, eax
    mov dword ptr [page_dir + 8], P + W + U + PS
    mov dword ptr [0x207000], 0x31313131
    FLUSH
    EXPECT [LARGE + 0x207000], 0x31313131
    mov dword ptr [page_dir + 8], OFFSET pt1 + P + W + U
    FLUSH
    EXPECT [LARGE + 0x7000], 0x7a7a7a7a
    # The machine's own code on a large page.
    mov dword ptr [page_dir], P + W + U + PS
    FLUSH
    call there
    EXPECT eax, 0x1badcafe
    ret
there:
    mov eax, 0x1badcafe
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
