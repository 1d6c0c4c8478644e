#! title = "Code rewritten through another linear address of its page"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 3. SDM volume 3A, 11.6 and 8.1.3: when the linear addresses differ, a serialising instruction (CPUID here) must
# come between the store and the new code; then the new code runs.
    .include "pm.inc"
    .include "paging.inc"
    .section .text

.macro SERIALIZE
    pushad
    xor eax, eax
    cpuid
    popad
.endm

main:
    call paging_on
    MAP 1, code, P+W+U              # the code's page, a second time
    MAP 2, code, P+W+U              # and a third
    .set ALIAS, WINDOW + 0x1000
    .set THIRD, WINDOW + 0x2000
    mov ecx, 100
1:  mov [ALIAS + 1], ecx
    SERIALIZE
    call code
    EXPECT eax, ecx
    lea ebx, [ecx + 0x1000]
    mov [code + 1], ebx             # written here, run there
    SERIALIZE
    mov edx, ALIAS
    call edx
    EXPECT eax, ebx
    inc ebx
    mov [ALIAS + 1], ebx            # written there, run at the third
    SERIALIZE
    mov edx, THIRD
    call edx
    EXPECT eax, ebx
    dec ecx
    jnz 1b

    # The same linear address, remapped to other content between two runs.
    mov byte ptr [other], 0xb8      # MOV EAX, 1111h; RET
    mov dword ptr [other + 1], 0x1111
    mov byte ptr [other + 5], 0xc3
    mov dword ptr [code + 1], 0x2222
    mov ecx, 100
    mov edx, THIRD
2:  MAP 2, other, P+W+U
    invlpg [THIRD]
    call edx
    EXPECT eax, 0x1111
    MAP 2, code, P+W+U
    invlpg [THIRD]
    call edx
    EXPECT eax, 0x2222
    dec ecx
    jnz 2b

    # Through a mapping in ring 3 that only ring 0 sees elsewhere.
    mov dword ptr [ALIAS + 1], 0x3333
    mov word ptr [ALIAS + 5], 0x30cd # INT 30h in place of RET
    SERIALIZE
    RING3 THIRD
    EXPECT eax, 0x3333
    mov dword ptr [code + 1], 0x4444
    SERIALIZE
    RING3 THIRD
    EXPECT eax, 0x4444
    # The page read-only and user at its code address, written through the other.
    MAP 2, code, P+U
    invlpg [THIRD]
    mov dword ptr [ALIAS + 1], 0x5555
    SERIALIZE
    RING3 THIRD
    EXPECT eax, 0x5555
    # Unmapped, rewritten meanwhile, mapped again.
    MAP 2, code, 0
    invlpg [THIRD]
    mov dword ptr [code + 1], 0x6666
    RING3 THIRD
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 4
    MAP 2, code, P+U
    RING3 THIRD
    EXPECT [exc_vector], 0x30
    EXPECT eax, 0x6666
    ret

    .balign 4096
code:
    mov eax, 0
    ret
    .balign 4096

    .section .bss
    .balign 4096
other: .skip 4096
