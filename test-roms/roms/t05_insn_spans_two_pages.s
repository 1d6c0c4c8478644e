#! title = "An instruction on two pages: the second absent, mapped, remapped, made supervisor"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 5. SDM volume 3A, 4.7: the fetch of the second half faults with CR2 at that page's first byte and EIP at the
# instruction's.
    .include "pm.inc"
    .include "paging.inc"
    .set PAGE1, WINDOW + 0x2000

# Runs the straddling code at PAGE1 - `before`, EAX then holds what it loaded.
.macro RUN before
    mov edx, PAGE1 - \before
    call edx
.endm

main:
    call paging_on
    MAP 1, first, P+W+U
    MAP 2, second, P+W+U

    # MOV EAX, imm32; RET with every split.
    mov ebp, 1
1:  mov edi, PAGE1
    sub edi, ebp
    mov byte ptr [edi], 0xb8
    mov dword ptr [edi + 1], 0x0a0b0c0d
    mov byte ptr [edi + 5], 0xc3
    mov ecx, 3
2:  call edi
    EXPECT eax, 0x0a0b0c0d
    dec ecx
    jnz 2b
    # The second page goes away: #PF for a fetch, nothing done.
    MAP 2, second, 0
    invlpg [PAGE1]
    mov eax, 0x5a5a5a5a
    ARM 3f
    call edi
3:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 0
    EXPECT [exc_eip], edi
    EXPECT [exc_cr2], PAGE1
    EXPECT eax, 0x5a5a5a5a
    # It comes back with other content.
    MAP 2, third, P+W+U
    invlpg [PAGE1]
    mov eax, [second]               # the same tail, one bit changed
    mov [third], eax
    mov eax, [second + 4]
    mov [third + 4], eax
    xor byte ptr [third], 0x80
    call edi
    mov ebx, eax
    mov eax, [edi + 1]              # what the bytes say now
    EXPECT ebx, eax
    # And back again.
    MAP 2, second, P+W+U
    invlpg [PAGE1]
    call edi
    EXPECT eax, 0x0a0b0c0d
    inc ebp
    cmp ebp, 4
    jbe 1b

    # Ring 3, second page for the supervisor only: error 5; absent: error 4.
    mov edi, PAGE1 - 3
    mov byte ptr [edi], 0xb8
    mov dword ptr [edi + 1], 0x01020304
    mov word ptr [edi + 5], 0x30cd
    RING3 (PAGE1-3)
    EXPECT [exc_vector], 0x30
    EXPECT eax, 0x01020304
    MAP 2, second, P+W
    invlpg [PAGE1]
    RING3 (PAGE1-3)
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 5
    EXPECT [exc_cr2], PAGE1
    EXPECT [exc_eip], (PAGE1-3)
    MAP 2, second, 0
    invlpg [PAGE1]
    RING3 (PAGE1-3)
    EXPECT [exc_error], 4
    MAP 2, second, P+W+U
    RING3 (PAGE1-3)
    EXPECT [exc_vector], 0x30

    # An instruction that ends with its page does not look at the next one.
    MAP 2, second, 0
    invlpg [PAGE1]
    mov byte ptr [PAGE1 - 1], 0xc3
    mov byte ptr [PAGE1 - 2], 0x40
    mov eax, 4
    RUN 2
    EXPECT eax, 5
    # One that runs off the end of it does, after the INC is done.
    mov byte ptr [PAGE1 - 1], 0x40
    ARM 1f
    RUN 1
1:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_eip], PAGE1
    EXPECT [exc_cr2], PAGE1
    EXPECT eax, 6

    # The first half patched, then the second, while the whole has been run.
    MAP 2, second, P+W+U
    mov edi, PAGE1 - 2
    mov byte ptr [edi], 0xb8
    mov dword ptr [edi + 1], 0
    mov byte ptr [edi + 5], 0xc3
    mov ecx, 50
2:  mov [edi + 1], cl
    mov [edi + 4], cl
    call edi
    movzx ebx, cl
    imul ebx, ebx, 0x01000001
    EXPECT eax, ebx
    dec ecx
    jnz 2b
    # Data that faults on the same page that the code runs on.
    mov word ptr [edi], 0x00a1      # MOV EAX, [moffs32]: A1 imm32
    mov dword ptr [edi + 1], WINDOW + 0x3000
    ARM 1f
    call edi
1:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_cr2], WINDOW + 0x3000
    EXPECT [exc_eip], edi
    ret

    .section .bss
    .balign 4096
first: .skip 4096
second: .skip 4096
third: .skip 4096
