#! title = "String instructions that overlap, run backwards, cross pages, wrap at 64 KiB"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 43. SDM volume 2, MOVS, STOS, CMPS, SCAS, LODS, REP: one element after the other, whatever the sizes.
    .include "pm.inc"
    .include "paging.inc"

# Fills `buffer` with 0, 1, 2 ... 63.
.macro COUNT_UP
    pushad
    mov edi, OFFSET buffer
    xor eax, eax
771: mov [edi + eax], al
    inc eax
    cmp eax, 64
    jb 771b
    popad
.endm
.macro BYTES at, want
    EXPECT [buffer + \at], \want
.endm

main:
    cld
    # Destination one byte above the source: the first byte spreads.
    COUNT_UP
    mov esi, OFFSET buffer + 1
    mov edi, OFFSET buffer + 2
    mov ecx, 7
    rep movsb
    BYTES 0, 0x01010100
    BYTES 4, 0x01010101
    BYTES 8, 0x0b0a0901
    EXPECT esi, (OFFSET buffer+8)
    EXPECT edi, (OFFSET buffer+9)
    EXPECT ecx, 0
    # Three bytes above, by dwords: each dword is read after the one before it was written.
    COUNT_UP
    mov esi, OFFSET buffer
    mov edi, OFFSET buffer + 3
    mov ecx, 3
    rep movsd
    BYTES 3, 0x03020100
    BYTES 7, 0x07030201
    BYTES 11, 0x0b070302
    # Below the source: a plain move.
    COUNT_UP
    mov esi, OFFSET buffer + 3
    mov edi, OFFSET buffer
    mov ecx, 5
    rep movsd
    BYTES 0, 0x06050403
    BYTES 16, 0x16151413
    BYTES 20, 0x17161514
    # Backwards, overlapping upwards: a move that keeps what it reads.
    COUNT_UP
    std
    mov esi, OFFSET buffer + 10
    mov edi, OFFSET buffer + 11
    mov ecx, 11
    rep movsb
    cld
    BYTES 0, 0x02010000
    BYTES 8, 0x0a090807
    EXPECT esi, (OFFSET buffer-1)
    # Backwards, overlapping downwards: it spreads.
    COUNT_UP
    std
    mov esi, OFFSET buffer + 10
    mov edi, OFFSET buffer + 9
    mov ecx, 5
    rep movsb
    cld
    BYTES 4, 0x0a0a0a04
    BYTES 8, 0x0b0a0a0a
    # Backwards by dwords: the address is the element's lowest byte.
    COUNT_UP
    std
    mov esi, OFFSET buffer + 8
    mov edi, OFFSET buffer + 40
    mov ecx, 2
    rep movsd
    cld
    BYTES 40, 0x0b0a0908
    BYTES 36, 0x07060504
    BYTES 32, 0x23222120
    EXPECT esi, (OFFSET buffer)
    # STOS over the bytes that CMPS will read, SCAS that stops in its first and last element.
    mov edi, OFFSET buffer
    mov eax, 0x41414141
    mov ecx, 5
    rep stosd
    mov byte ptr [buffer + 20], 0x42
    mov edi, OFFSET buffer
    mov ecx, 21
    repe scasb
    EXPECT ecx, 0
    EXPECT edi, (OFFSET buffer+21)
    mov edi, OFFSET buffer
    mov ecx, 21
    repne scasb
    EXPECT ecx, 20
    mov esi, OFFSET buffer
    mov edi, OFFSET buffer + 1
    mov ecx, 30
    repe cmpsb
    EXPECT ecx, 10
    EXPECT edi, (OFFSET buffer+21)
    # A count of zero: no flag, no pointer changes.
    xor ecx, ecx
    stc
    repe cmpsb
    setc al
    movzx eax, al
    EXPECT eax, 1
    EXPECT edi, (OFFSET buffer+21)
    # A segment override is the source's only.
    mov esi, OFFSET buffer
    mov edi, OFFSET buffer + 48
    mov ecx, 1
    rep movsd es:[edi], cs:[esi]
    BYTES 48, 0x41414141

    # Across pages that are not neighbours in memory, elements over the edge.
    call paging_on
    MAP 0, (frames+0x2000), P+W
    MAP 1, frames, P+W
    FLUSH
    mov edi, WINDOW + 0xffa
    mov eax, 0x04030201
    mov ecx, 3
    rep stosd
    EXPECT [frames+0x2ffa], 0x04030201
    EXPECT [frames + 0x2ffc], 0x02010403
    EXPECT [frames], 0x02010403
    mov esi, WINDOW + 0xffe
    lodsd
    EXPECT eax, 0x04030201
    std
    mov esi, WINDOW + 0x1002
    mov edi, WINDOW + 0x802
    mov ecx, 3
    rep movsd
    cld
    EXPECT [frames + 0x27fa], 0x04030201
    EXPECT [frames + 0x27fe], 0x04030201
    # The second page goes away: up to the edge, exactly.
    mov dword ptr [pt1 + 4], 0
    FLUSH
    mov edi, WINDOW + 0xff9
    mov ecx, 16
    xor eax, eax
    ARM 1f
2:  rep stosw
1:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_eip], (OFFSET 2b)
    EXPECT ecx, 13
    EXPECT edi, WINDOW+0xfff
    EXPECT [exc_cr2], WINDOW+0x1000

    # 16-bit addresses wrap inside 64 KiB: SI, DI and CX alone change.
    mov esi, 0x0000fffe
    mov edi, 0xabcd0000 + 0xffff
    mov ecx, 0x12340004
    mov eax, 0x77
    mov ebx, [0xffff]
    mov [saved], ebx
    mov bl, [0]
    mov [saved + 4], bl
    mov bx, [1]
    mov [saved + 5], bx
    addr16 rep stosb
    EXPECT edi, 0xabcd0003
    EXPECT ecx, 0x12340000
    movzx eax, byte ptr [0xffff]
    EXPECT eax, 0x77
    movzx eax, word ptr [1]
    EXPECT eax, 0x7777
    mov bl, [saved]
    mov [0xffff], bl
    mov bl, [saved + 4]
    mov [0], bl
    mov bx, [saved + 5]
    mov [1], bx
    ret

    .section .data
    .balign 16
    .skip 16
buffer: .skip 80
saved: .skip 8
    .section .bss
    .balign 4096
frames: .skip 4096 * 3
