#! title = "Self-modifying code: the next block, another page, callers already linked, a loop patched many times"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 1. SDM volume 3A, 11.6. Code that ran often (and was translated, linked, cached) is rewritten, and the next run
# must be the new code.
    .include "pm.inc"

main:
    # The next block, reached by a taken branch.
    mov byte ptr [2f + 1], 0x11
    jmp 1f
1:  jmp 2f
2:  mov eax, 0
    EXPECT eax, 0x11

    # A routine on another page, called through a direct call and a pointer, rewritten 300 times.
    mov ecx, 300
    mov esi, OFFSET routine
    mov ebx, 0
1:  mov eax, ecx
    imul eax, eax, 0x01010101
    mov [routine + 1], eax
    call routine
    EXPECT edx, eax
    not eax
    mov [esi + 1], eax
    call esi
    EXPECT edx, eax
    push OFFSET 3f
    mov dword ptr [esi + 1], 0x77
    jmp esi
3:  EXPECT edx, 0x77
    dec ecx
    jnz 1b

    # A hot loop whose step is patched every 50 turns, from inside.
    xor eax, eax
    mov ecx, 1000
    mov ebx, 1
loop_head:
    add eax, 1                      # 83 C0 ib
    mov edx, ecx
    shr edx, 2
    dec ecx
    jz 2f
    mov edx, 0
    push eax
    mov eax, ecx
    mov esi, 50
    div esi
    pop eax
    test edx, edx
    jnz loop_head
    inc byte ptr [loop_head + 2]
    jmp loop_head
2:  EXPECT eax, 10500               # 50 turns each of 1 .. 20

    # Routines made at run time in a buffer that is used again and again.
    mov ebp, 200
    xor ebx, ebx
1:  mov edi, OFFSET buffer
    mov ecx, ebp
    and ecx, 63
    inc ecx
    mov edx, ecx
    mov al, 0x40                    # INC EAX, edx of them, RET
    rep stosb
    mov byte ptr [edi], 0xc3
    xor eax, eax
    call buffer_call
    EXPECT eax, edx
    dec ebp
    jnz 1b

    # A copy of a routine at another address; then the original overwritten: the copy is its own.
    mov esi, OFFSET routine
    mov edi, OFFSET buffer
    mov ecx, 6
    rep movsb
    mov dword ptr [buffer + 1], 0xaaaa
    mov dword ptr [routine + 1], 0xbbbb
    mov eax, OFFSET buffer
    call eax
    EXPECT edx, 0xaaaa
    call routine
    EXPECT edx, 0xbbbb

    # A conditional branch whose condition is inverted; a call whose target is redirected; a RET put over a PUSH.
    mov ebp, 20
1:  xor byte ptr [2f], 1            # JZ (74h) <-> JNZ (75h)
    xor eax, eax
    test eax, eax
2:  jz 3f
    inc eax
3:  inc ebx
    and ebx, 1
    mov ecx, ebp
    and ecx, 1
    xor ecx, 1
    xor ecx, 1
    mov edx, eax
    add [taken], eax
    dec ebp
    jnz 1b
    EXPECT [taken], 10

    mov ebp, 20
1:  mov eax, OFFSET target_a
    test ebp, 1
    jz 2f
    mov eax, OFFSET target_b
2:  sub eax, OFFSET 4f
    mov [3f + 1], eax
3:  call target_a
4:  mov eax, ebp
    and eax, 1
    EXPECT edx, eax
    dec ebp
    jnz 1b
    ret

target_a:
    mov edx, 0
    ret
target_b:
    mov edx, 1
    ret
buffer_call:
    jmp buffer

    .balign 4096
routine:
    mov edx, 0                      # BA imm32
    ret
    .balign 4096

    .section .bss
    .balign 4096
buffer: .skip 256
taken: .skip 4
