#! title = "A guest that maps so that no two pages can share a host mapping"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
#! timeout = 20
# docs/traps.md, table B, the limit of mappings: 40,000 pages in a row (the budget is 32,000), each with a frame that does not
# follow its neighbour's, touched in order, then again in another order. Only correctness is asked for.
    .include "pm.inc"
    .include "paging.inc"
    .set PAGES, 40000
    .set FROM, 0x800000
    .set TABLES, 0x1000000          # 40 page tables, at 16 MiB
    .set FRAMES, 0x1200000          # 64 frames

main:
    call paging_on
    xor ecx, ecx                    # the window maps 16 MiB .. 20 MiB one to one: tables and frames
    mov edi, OFFSET pt1
    mov eax, TABLES + P + W
1:  mov [edi], eax
    add edi, 4
    add eax, 4096
    inc ecx
    cmp ecx, 1024
    jb 1b
    FLUSH
    # Page k has frame (k * 37) mod 64: neighbours never follow each other.
    xor ecx, ecx
2:  imul eax, ecx, 37
    and eax, 63
    shl eax, 12
    add eax, FRAMES + P + W + U
    mov [WINDOW + ecx * 4], eax
    inc ecx
    cmp ecx, PAGES
    jb 2b
    mov eax, TABLES + P + W + U
    mov edi, OFFSET page_dir + (FROM >> 20)
    mov ecx, (PAGES + 1023) / 1024
3:  stosd
    add eax, 4096
    dec ecx
    jnz 3b
    mov ecx, 64                     # frame f holds f
4:  mov eax, ecx
    dec eax
    mov edi, eax
    shl edi, 12
    mov [WINDOW + (FRAMES - TABLES) + edi], eax
    dec ecx
    jnz 4b
    FLUSH

    xor ebx, ebx                    # in order: every value counted
    mov esi, FROM
    mov ecx, PAGES
5:  add ebx, [esi]
    add esi, 4096
    dec ecx
    jnz 5b
    EXPECT ebx, (PAGES / 64 * 2016)
    xor edi, edi                    # in steps of 7919 pages, writing too
    mov ecx, 20000
6:  mov esi, edi
    shl esi, 12
    mov [FROM + esi + 8], edi
    imul eax, edi, 37
    and eax, 63
    cmp [FROM + esi], eax
    jne 8f
    shl eax, 12
    cmp [WINDOW + (FRAMES - TABLES) + eax + 8], edi
    jne 8f
    add edi, 7919
    cmp edi, PAGES
    jb 7f
    sub edi, PAGES
7:  dec ecx
    jnz 6b
8:  EXPECT ecx, 0
    # The first pages changed while all this is mapped.
    mov dword ptr [WINDOW], FRAMES + 5 * 4096 + P + W + U
    invlpg [FROM]
    EXPECT [FROM], 5
    ret
