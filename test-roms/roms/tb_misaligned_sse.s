#! title = "A misaligned SSE operand is #GP and leaves CR2 alone; an absent one is #PF; privileged instructions likewise"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md, table B, #GP against #PF. SDM volume 3A, 6.15 and table 23-6 (alignment is checked before the page).
    .include "pm.inc"
    .include "paging.inc"
    .arch .sse2
    .set MARK, 0x0badcafe

# GPS instruction: #GP(0) in ring 0, with CR2 as it was.
.macro GPS insn:vararg
    mov eax, MARK
    mov cr2, eax
    FAULTS 13, 0, \insn
    EXPECT [exc_cr2], MARK
.endm
.macro GPS3 insn:vararg
    mov eax, MARK
    mov cr2, eax
    FAULTS3 13, 0, \insn
    EXPECT [exc_cr2], MARK
.endm

main:
    call paging_on
    mov eax, cr4
    or eax, 0x600
    mov cr4, eax
    MAP 1, frame, P+W+U
    mov dword ptr [rounds], 30
    mov edx, WINDOW + 0x1000
again:
    movaps xmm0, [edx]              # the page is mapped, and hot
    movaps [edx + 16], xmm0
    .ifndef QEMU                    # (QEMU checks no alignment here)
    GPS movaps xmm0, [edx + 8]
    GPS movaps [edx + 4], xmm0
    GPS movapd xmm0, [edx + 1]
    GPS movdqa [edx + 15], xmm0
    GPS addps xmm0, [edx + 4]
    GPS movntps [edx + 4], xmm0
    GPS movaps xmm0, [edx + 0xff8]  # also across pages, and when nothing is there at all
    GPS movaps [edx + 0x1008], xmm0
    GPS fxsave [edx + 8]
    GPS3 movaps xmm0, [edx + 8]
    .endif
    movups [edx + 8], xmm0          # those that need no alignment
    movlps [edx + 4], xmm0
    movss [edx + 1], xmm0
    movdqu xmm0, [edx + 3]
    mov eax, MARK
    mov cr2, eax
    FAULTS 14, 0, movaps xmm0, [edx + 0x1000]
    EXPECT [exc_cr2], WINDOW + 0x2000
    FAULTS 14, 2, movups [edx + 0xff8], xmm0
    EXPECT [exc_cr2], WINDOW + 0x2000
    # Other ways to #GP that show no address either.
    GPS3 hlt
    GPS3 cli
    GPS3 in al, 0x61
    GPS3 mov eax, cr0
    GPS3 invlpg [edx]
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
rounds: .skip 4
