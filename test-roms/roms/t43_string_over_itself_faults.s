#! title = "A repeated string instruction that overwrites its own bytes and then faults comes to the fault as it was decoded"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 43, 32 and 3. SDM volume 2, REP: the fault comes with what is left of the count, the instruction's own address saved;
# until it is delivered there is nothing to fetch anew. In fewer iterations than an interpreter makes at a time, up and down, by
# the name that it runs by and by another one of the same bytes, and so often that it is translated.
    .include "pm.inc"
    .include "paging.inc"
    .set PAGE, WINDOW + 0x1000      # the page's other name, between two that are absent

# The instruction at `at`, with EDI and ECX set: what is left of them, and where it faults.
.macro FAULTS_OVER at, first, left, last, cr2, back=0
    mov ebp, 6
1:  mov edx, \at
    mov dword ptr [edx], 0x9090abf3 # rep stosd, two times nop
    mov byte ptr [edx + 4], 0xc3
    mov edi, \first
    mov ecx, 0x40
    mov eax, 0x90909090
    ARM 2f
    .if \back
    std
    .endif
    call edx
2:  cld
    DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_eip], (\at)
    EXPECT [exc_cr2], (\cr2)
    EXPECT ecx, \left
    EXPECT edi, (\last)
    EXPECT [edx], 0x90909090
    dec ebp
    jnz 1b
.endm

main:
    cld
    call paging_on
    MAP 1, frame, P+W
    FLUSH
    .ifndef QEMU                    # (QEMU fetches it again for each iteration)
    FAULTS_OVER "OFFSET frame+0xf80", PAGE+0xf7e, 0x20, PAGE+0xffe, PAGE+0x1000
    FAULTS_OVER PAGE+0xf80, PAGE+0xf7e, 0x20, PAGE+0xffe, PAGE+0x1000
    FAULTS_OVER "OFFSET frame+0x46", PAGE+0x46, 0x2e, PAGE-2, PAGE-2, 1
    FAULTS_OVER PAGE+0x46, PAGE+0x46, 0x2e, PAGE-2, PAGE-2, 1
    .endif
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
