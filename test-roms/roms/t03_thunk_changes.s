#! title = "The thunk that position-independent code calls is rewritten, remapped, unmapped"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 1, 3, 33. SDM volume 3A, 8.1.3 and 4.10.4. A translator that does the thunk's work in its caller must notice that
# the thunk in the other page is another one now, or faults.
    .include "pm.inc"
    .include "paging.inc"
    .section .text
    .set ALIAS, WINDOW + 0x1000
    .set THUNK, 0xc3241c8b          # MOV EBX, [ESP]; RET

.macro CALLER_GIVES what
    stc
    call caller
    EXPECT eax, \what
    EXPECT edx, 0xffffffff          # carry went through
.endm

main:
    call paging_on
    MAP 1, thunk, P+W
    mov edx, ALIAS
    mov ecx, 4                      # the thunk is hot before its caller
1:  push edx
    call edx
    pop edx
    dec ecx
    jnz 1b
    mov ecx, 50
again:
    CALLER_GIVES (OFFSET behind)
    CALLER_GIVES (OFFSET behind)
    mov dword ptr [ALIAS], 0xc390db31   # XOR EBX, EBX; NOP; RET clears carry
    pushad
    xor eax, eax
    cpuid
    popad
    stc
    call caller
    EXPECT eax, 0
    EXPECT edx, 0
    mov dword ptr [thunk], THUNK        # through its other address
    pushad
    xor eax, eax
    cpuid
    popad
    CALLER_GIVES (OFFSET behind)
    MAP 1, other, P+W
    invlpg [ALIAS]
    CALLER_GIVES 0x1111
    MAP 1, thunk, P+W
    invlpg [ALIAS]
    CALLER_GIVES (OFFSET behind)
    # Not there: the CALL has stored its return address, and the fetch faults.
    MAP 1, thunk, 0
    invlpg [ALIAS]
    ARM 3f
    call caller
    FAIL
3:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_eip], ALIAS
    MAP 1, thunk, P+W
    invlpg [ALIAS]
    CALLER_GIVES (OFFSET behind)
    dec ecx
    jnz again
    ret

caller:
    push ebx
    call ALIAS
behind:
    mov eax, ebx
    sbb edx, edx
    pop ebx
    ret

    .balign 4096
thunk:
    .long THUNK
    .balign 4096
other:
    mov ebx, 0x1111
    ret
    .balign 4096
