#! title = "REP interrupted by a page fault: exact ECX, ESI, EDI; resumed, it completes"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 32, 43, 44. SDM volume 2, REP: each iteration is an instruction boundary; a fault leaves the registers at the
# iteration that could not be done.
    .include "pm.inc"
    .include "paging.inc"
    .include "pic.inc"
    .set PAGE1, WINDOW + 0x2000     # the page that comes and goes
    .set LAST, WINDOW + 0x1000      # the page before it, always there
    .set AFTER, WINDOW + 0x3000

.macro STATE count, source, destination
    EXPECT ecx, \count
    EXPECT esi, \source
    EXPECT edi, \destination
.endm

# Sets up: page 1 and 3 present, 2 absent.
absent:
    MAP 2, middle, 0
    invlpg [PAGE1]
    ret
present:
    MAP 2, middle, P+W+U
    ret

main:
    cld
    call paging_on
    MAP 1, first, P+W+U
    MAP 3, last, P+W+U
    mov ecx, 8192                   # bytes that differ from their neighbours
1:  imul eax, ecx, 167
    mov [source + ecx - 1], al
    dec ecx
    jnz 1b

    # Destination runs into the page.
    call absent
    mov esi, OFFSET source
    mov edi, PAGE1 - 10
    mov ecx, 30
    FAULTS 14, 2, rep movsb
    EXPECT [exc_cr2], PAGE1
    STATE 20, (OFFSET source+10), PAGE1
    call present
    rep movsb
    STATE 0, (OFFSET source+30), PAGE1+20
    mov esi, OFFSET source
    mov edi, PAGE1 - 10
    mov ecx, 30
    repe cmpsb
    STATE 0, (OFFSET source+30), PAGE1+20

    # Dwords that straddle: the one that would cross is not begun.
    call absent
    mov edi, PAGE1 - 10
    mov ecx, 8
    mov eax, 0x12345678
    mov dword ptr [PAGE1 - 4], 0x99999999
    FAULTS 14, 2, rep stosd
    EXPECT [exc_cr2], PAGE1
    EXPECT ecx, 6
    EXPECT edi, PAGE1-2
    movzx ebx, word ptr [PAGE1 - 2]
    EXPECT ebx, 0x9999

    # The source runs into it; ring 3.
    mov esi, PAGE1 - 16
    mov edi, LAST
    mov ecx, 8
    FAULTS3 14, 4, rep movsd
    STATE 4, PAGE1, LAST+16
    # Compare and scan stop at the fault with flags of the last iteration that was done.
    mov edi, LAST
    mov ecx, 0x1000
    xor eax, eax
    rep stosb
    mov edi, PAGE1 - 8
    mov ecx, 100
    mov al, 1
    FAULTS 14, 0, repne scasb
    EXPECT ecx, 92
    EXPECT edi, PAGE1
    mov byte ptr [PAGE1 - 3], 1
    mov edi, PAGE1 - 8
    mov ecx, 100
    repne scasb                     # found before the page
    EXPECT ecx, 94
    EXPECT edi, PAGE1-2
    mov esi, PAGE1 - 4
    mov edi, LAST
    mov ecx, 50
    mov byte ptr [PAGE1 - 3], 0
    FAULTS 14, 0, repe cmpsb
    STATE 46, PAGE1, LAST+4

    # Backwards: from a present page down into the absent one.
    std
    mov esi, OFFSET source + 100
    mov edi, AFTER + 8
    mov ecx, 20
    FAULTS 14, 2, rep movsd
    EXPECT [exc_cr2], AFTER-4
    STATE 17, (OFFSET source+100-12), AFTER-4
    mov edi, AFTER + 1
    mov ecx, 5
    FAULTS 14, 2, rep stosb
    EXPECT [exc_cr2], AFTER-1
    EXPECT ecx, 3
    EXPECT edi, AFTER-1
    cld

    # LODS with REP, and the loads without: registers as before.
    mov esi, PAGE1 - 4
    mov ecx, 3
    mov dword ptr [PAGE1 - 4], 0xabcdef01
    FAULTS 14, 0, rep lodsd
    EXPECT eax, 0xabcdef01
    EXPECT ecx, 2
    EXPECT esi, PAGE1
    FAULTS 14, 0, lodsb
    EXPECT esi, PAGE1

    call present
    # Both ends on one page, overlapping forward: the pattern spreads.
    mov dword ptr [LAST], 0x04030201
    mov esi, LAST
    mov edi, LAST + 4
    mov ecx, 12
    rep movsb
    EXPECT [LAST + 12], 0x04030201
    mov esi, LAST
    mov edi, LAST + 1
    mov ecx, 15
    rep movsb
    EXPECT [LAST + 12], 0x01010101
    mov dword ptr [LAST], 0x04030201
    mov dword ptr [LAST + 4], 0x08070605
    std                             # downwards, as memmove does it
    mov esi, LAST + 7
    mov edi, LAST + 9
    mov ecx, 8
    rep movsb
    cld
    EXPECT [LAST + 2], 0x04030201
    EXPECT [LAST + 6], 0x08070605
    # Overlap with dwords two bytes apart.
    mov dword ptr [LAST], 0x44332211
    mov esi, LAST
    mov edi, LAST + 2
    mov ecx, 3
    rep movsd
    EXPECT [LAST + 4], 0x44334433
    # A copy of many pages with an odd alignment.
    mov esi, OFFSET source + 1
    mov edi, LAST + 3
    mov ecx, 1000
    rep movsd
    mov esi, OFFSET source + 1
    mov edi, LAST + 3
    mov ecx, 4000
    repe cmpsb
    setz al
    movzx eax, al
    EXPECT eax, 1

    # Flags and counts: REPE with ECX = 0 leaves the flags.
    xor ecx, ecx
    cmp eax, eax
    repne scasb
    setz al
    movzx eax, al
    EXPECT eax, 1
    # 16-bit addressing: CX, SI, DI, and they wrap alone.
    mov ecx, 0x77770003
    mov esi, 0x1111ffff
    mov edi, 0x2222fffe
    mov al, 0x5a
    .byte 0x67
    rep stosb
    EXPECT ecx, 0x77770000
    EXPECT edi, 0x22220001

    # Interrupts come between iterations: a long REP is interrupted by the timer, and nothing is lost.
    call pic_init
    GATE 0x20, irq_handler
    PIT0 2, 1193
    UNMASK 1
    mov dword ptr [irq_count], 0
    sti
    mov ebp, 60
1:  mov edi, OFFSET big
    mov ecx, 0x10000
    mov eax, ebp
    rep stosd
    EXPECT ecx, 0
    EXPECT edi, (OFFSET big+0x40000)
    mov edi, OFFSET big
    mov ecx, 0x10000
    repe scasd
    setz bl
    movzx ebx, bl
    EXPECT ebx, 1
    dec ebp
    jnz 1b
2:  cmp dword ptr [irq_count], 3
    jb 2b
    cli
    ret

irq_handler:
    inc dword ptr [irq_count]
    push eax
    mov al, 0x20
    out 0x20, al
    pop eax
    iretd

    .section .bss
    .balign 4096
first: .skip 4096
middle: .skip 4096
last: .skip 4096
source: .skip 8192
irq_count: .skip 4
big: .skip 0x40000
