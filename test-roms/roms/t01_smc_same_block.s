#! title = "Self-modifying code: a store changes a later instruction of its own block"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 1. SDM volume 3A, 11.6 (self-modifying code) and 8.1.3: on processors since the P6 a store to a linear address
# holds for the very next instruction fetched through the same linear address.
    .include "pm.inc"

main:
    # The next instruction's immediate.
    mov byte ptr [1f + 1], 0x42
1:  mov eax, 0
    EXPECT eax, 0x42

    # An instruction further on in a straight line; both passes change it.
    mov ecx, 2
2:  mov eax, ecx
    add eax, 0x100
    mov [3f + 1], eax
    lea edx, [ecx + ecx]
    xor edx, 0x55
3:  mov ebx, 0
    EXPECT ebx, eax
    dec ecx
    jnz 2b

    # The next opcode: INC EAX (40h) becomes DEC EAX (48h).
    mov eax, 10
    mov byte ptr [4f], 0x48
4:  inc eax
    EXPECT eax, 9

    # By a string instruction, which overwrites what follows it with NOPs.
    mov edi, OFFSET 5f
    mov ecx, 5
    mov al, 0x90
    rep stosb
5:  mov eax, 0x12345678
    movzx eax, al
    EXPECT eax, 0x90
    # By PUSH.
    mov edx, esp
    mov esp, OFFSET 6f + 4
    pushd 0x90909090
    mov esp, edx
    xor eax, eax
6:  inc eax
    inc eax
    inc eax
    inc eax
    EXPECT eax, 0

    # By a read-modify-write of the displacement of the jump that follows.
    mov eax, 1
    add byte ptr [7f + 1], 2
7:  jmp 8f
8:  add al, 1
    add al, 2                       # the jump now lands here
    EXPECT eax, 3

    # The length of the instructions changes: one of five bytes becomes five of one.
    mov dword ptr [9f], 0x40404040
    mov byte ptr [9f + 4], 0x40
    mov eax, 100
    jmp 9f
9:  mov eax, 0
    EXPECT eax, 105

    # A store to an instruction that has gone by already changes the next pass only.
    mov ecx, 2
    xor eax, eax
1:  add eax, 1
    mov byte ptr [1b + 2], 10
    dec ecx
    jnz 1b
    EXPECT eax, 11

    # The store's own bytes: MOV BYTE PTR [its immediate], n.
    mov ecx, 2
    xor eax, eax
1:  mov byte ptr [1b + 6], 7        # C6 05 disp32 imm8
    movzx ebx, byte ptr [1b + 6]
    inc byte ptr [1b + 6]
    dec ecx
    jnz 1b
    EXPECT ebx, 8
    ret
