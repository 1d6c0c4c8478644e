#! title = "Wide operands, stack operations and strings over the end of 4 GiB"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md, table B, the 4 GiB end. A host address does not wrap where the guest's does. SDM volume 1, 3.3.5.
    .include "pm.inc"
    .include "paging.inc"
    .arch .sse2

.macro FILL_BOTH
    mov edi, OFFSET frame + 4096 - 32
    mov eax, 0x11111111
    mov ecx, 8
    rep stosd
    mov edi, 0
    mov eax, 0x22222222
    mov ecx, 8
    rep stosd
.endm

main:
    call paging_on
    mov dword ptr [page_dir + 1023 * 4], OFFSET pt1 + P + W
    mov dword ptr [pt1 + 1023 * 4], OFFSET frame + P + W
    mov dword ptr [pt0], OFFSET frame0 + P + W
    FLUSH
    mov eax, cr4
    or eax, 0x200
    mov cr4, eax
    mov dword ptr [rounds], 40      # hot, so that a translator has had its turn
again:
    # 16 bytes.
    FILL_BOTH
    mov edx, 0xfffffff8
    movups xmm0, [edx]
    movups [buffer], xmm0
    EXPECT [buffer + 4], 0x11111111
    EXPECT [buffer + 8], 0x22222222
    pcmpeqd xmm1, xmm1
    movups [edx], xmm1
    EXPECT [frame + 4092], -1
    EXPECT [frame + 4084], 0x11111111
    EXPECT [4], -1
    EXPECT [8], 0x22222222
    # 8 bytes, 10 bytes.
    FILL_BOTH
    mov edx, 0xfffffffc
    movq xmm0, [edx]
    movq [buffer], xmm0
    EXPECT [buffer], 0x11111111
    EXPECT [buffer + 4], 0x22222222
    fld1
    fstp tbyte ptr [edx - 1]        # FFFFFFFBh: 00 00 00 00 00 | 00 00 80 FF 3F
    EXPECT [frame + 4092], 0
    EXPECT [0], 0xff800000
    movzx eax, byte ptr [4]
    EXPECT eax, 0x3f
    movzx eax, byte ptr [5]
    EXPECT eax, 0x22
    fld tbyte ptr [edx - 1]
    fstp dword ptr [buffer]
    EXPECT [buffer], 0x3f800000
    FILL_BOTH
    mov eax, 0x11111111
    mov ebx, 0x33333333
    mov ecx, 0x44444444
    mov edx, 0x22222222
    mov esi, 0xfffffffc
    lock cmpxchg8b [esi]
    setz al
    movzx eax, al
    EXPECT eax, 1
    EXPECT [frame + 4092], 0x33333333
    EXPECT [0], 0x44444444
    # A bit string that begins below and is reached from above, and the other way round.
    FILL_BOTH
    mov eax, -1
    bts dword ptr [0], eax          # the last bit of FFFFFFFFh
    EXPECT [frame + 4092], 0x91111111
    mov ebx, 0xfffffffc
    mov eax, 33
    bts [ebx], eax                  # bit 1 of address 0
    btr [ebx], eax
    EXPECT [0], 0x22222220
    # FXSAVE's 512 bytes, aligned, end exactly at the border; one that begins there does not wrap.
    mov edx, 0xfffffe00
    fxsave [edx]
    mov eax, [frame + 4096 - 512 + 24]
    EXPECT eax, 0x1f80
    # Strings run over the border, both ways.
    FILL_BOTH
    mov edi, 0xfffffff8
    mov eax, 0x55555555
    mov ecx, 4
    rep stosd
    EXPECT edi, 8
    EXPECT [frame + 4088], 0x55555555
    EXPECT [4], 0x55555555
    EXPECT [8], 0x22222222
    std
    mov edi, 4
    mov eax, 0x66666666
    mov ecx, 3
    rep stosd
    cld
    EXPECT edi, 0xfffffff8
    EXPECT [frame + 4092], 0x66666666
    EXPECT [frame + 4088], 0x55555555
    EXPECT [4], 0x66666666
    mov esi, 0xfffffffe
    mov edi, OFFSET buffer
    mov ecx, 2
    rep movsd
    EXPECT [buffer], 0x66666666
    EXPECT [buffer + 4], 0x66666666
    EXPECT esi, 6
    # The stack.
    FILL_BOTH
    mov ebp, esp
    mov esp, 2
    push 0x778899aa
    mov eax, esp
    pop ebx
    mov ecx, esp
    mov esp, ebp
    EXPECT eax, 0xfffffffe
    EXPECT ebx, 0x778899aa
    EXPECT ecx, 2
    mov ebp, esp
    mov esp, 16
    mov eax, 0xabcdef01
    pushad
    mov ecx, [esp + 28]
    mov edx, esp
    mov esp, ebp
    EXPECT edx, 0xfffffff0
    EXPECT ecx, 0xabcdef01
    EXPECT [12], 0xabcdef01
    mov ebp, esp
    xor esp, esp
    call 1f
1:  mov ebx, esp
    pop eax
    mov esp, ebp
    EXPECT eax, (OFFSET 1b)
    EXPECT ebx, 0xfffffffc
    mov ebx, ebp
    mov esp, 4
    mov ebp, 0x12345678
    enter 8, 0
    mov eax, esp
    mov ecx, [0]
    leave
    xchg ebp, ebx
    mov edx, esp
    mov esp, ebp
    EXPECT eax, 0xfffffff8
    EXPECT ecx, 0x12345678
    EXPECT ebx, 0x12345678
    EXPECT edx, 4
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
frame0: .skip 4096
buffer: .skip 64
rounds: .skip 4
