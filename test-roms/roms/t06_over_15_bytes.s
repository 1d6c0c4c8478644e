#! title = "Instructions of 15 bytes and more, prefix runs over a page boundary"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 6. SDM volume 2A, 2.3.11; volume 3A, 6.15 (#GP: more than 15 bytes). A run of prefixes that reaches an absent
# page before the fifteenth byte is a page fault, one that is too long on present pages is #GP(0), also over a boundary.
    .include "pm.inc"
    .include "paging.inc"
    .set PAGE1, WINDOW + 0x2000

# A run of `count` DS prefixes, INC EAX and RET, the run beginning `before` bytes before the boundary.
.macro PLACE before, count
    mov edi, PAGE1 - \before
    mov ecx, \count
    mov al, 0x3e
    rep stosb
    mov byte ptr [edi], 0x40
    mov byte ptr [edi + 1], 0xc3
    mov eax, 0
    mov edx, PAGE1 - \before
.endm
.macro RUNS before, count
    PLACE \before, \count
    call edx
    EXPECT eax, 1
.endm
.macro TOO_LONG before, count
    PLACE \before, \count
    ARM 779f
    call edx
779: DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], PAGE1-\before
    EXPECT eax, 0
.endm

main:
    call paging_on
    MAP 1, first, P+W+U
    MAP 2, second, P+W+U
    RUNS 100, 0
    RUNS 100, 13
    RUNS 100, 14                    # 15 bytes
    TOO_LONG 100, 15                # 16
    TOO_LONG 100, 40
    RUNS 7, 14
    RUNS 1, 14
    RUNS 15, 14                     # ends with the page
    TOO_LONG 7, 15
    TOO_LONG 1, 15
    TOO_LONG 14, 20
    # With operands: 14 bytes of MOV [base + index + disp32], imm32 and prefixes.
    mov ebx, OFFSET first
    xor ecx, ecx
    .byte 0x3e, 0x3e, 0x3e, 0x3e
    mov dword ptr [ebx + ecx * 4 + 0x100], 0x12345678
    EXPECT [first + 0x100], 0x12345678
    ARM 1f
2:  .byte 0x3e, 0x3e, 0x3e, 0x3e, 0x3e
    mov dword ptr [ebx + ecx * 4 + 0x100], 0x55555555
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (OFFSET 2b)
    EXPECT [first + 0x100], 0x12345678

    # The run reaches an absent page within its 15 bytes.
    PLACE 7, 14
    MAP 2, second, 0
    invlpg [PAGE1]
    ARM 1f
    call edx
1:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 0
    EXPECT [exc_cr2], PAGE1
    EXPECT [exc_eip], PAGE1-7
    MAP 2, second, P+W+U
    call edx
    EXPECT eax, 1
    # The last segment prefix counts, repeated size prefixes are one.
    mov eax, 0x11112222
    .byte 0x66, 0x66, 0x66
    mov eax, 0x90909090             # 16-bit: takes two bytes, then two NOPs
    EXPECT eax, 0x11119090
    ret

    .section .bss
    .balign 4096
first: .skip 4096
second: .skip 4096
