#! title = "EIP wraps at 4 GiB, IP at 64 KiB; code segments whose base is odd, or wraps round; one code under two bases"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 7. SDM volume 2, JMP and CALL (EIP := EIP + displacement, truncated by the operand size); volume 1, 3.3. A lazy
# translator keys its blocks by the linear address alone, computes targets in 64 bits, or takes a page of EIPs for a page of
# addresses (v86 issue 1561).
    .include "pm.inc"
    .include "paging.inc"
    .set TOP, 0xfffff000
    .set LOW, 0x100                 # page 0 from here on is ours
    .set ODD, SPARE
    .set ROUND, SPARE + 8
    .set CODE16, SPARE + 0x10
    .set MINUS, SPARE + 0x18

# Bytes at a linear address. Changes ESI, EDI, ECX.
.macro PUT at, bytes:vararg
    .section .rodata
772: .byte \bytes
773:
    .section .text
    mov esi, OFFSET 772b
    mov edi, \at
    mov ecx, OFFSET 773b - 772b
    rep movsb
.endm
.macro CALLS at
    mov edx, \at
    call edx
.endm

main:
    call paging_on
    mov dword ptr [page_dir + 1023 * 4], OFFSET pt_top + P + W + U
    mov dword ptr [pt_top + 1023 * 4], OFFSET top + P + W + U
    FLUSH
    cld
    mov dword ptr [rounds], 20
again:
    # A short jump forward over the end, one back.
    PUT 0xfffffff0, 0xeb, 0x1e
    PUT 0x10, 0xc3
    CALLS 0xfffffff0
    PUT 0x10, 0xeb, 0xd0            # to FFFFFFE2
    PUT 0xffffffe2, 0xb8, 1, 2, 3, 4, 0xc3
    xor eax, eax
    CALLS 0x10
    EXPECT eax, 0x04030201
    # CALL with its last byte at FFFFFFFF: it pushes 0, and RET goes there.
    PUT 0xfffffffb, 0xe8, 0x40, 0, 0, 0
    PUT 0, 0x43, 0xc3               # INC EBX; RET
    PUT 0x40, 0x8b, 0x04, 0x24, 0xc3
    mov eax, -1
    xor ebx, ebx
    CALLS 0xfffffffb
    EXPECT eax, 0
    EXPECT ebx, 1
    # A backward call from below; a conditional branch and LOOP across.
    PUT 0x60, 0xe8, 0x7b, 0xff, 0xff, 0xff, 0xc3    # to FFFFFFE0
    PUT 0xffffffe0, 0x8b, 0x04, 0x24, 0xc3
    CALLS 0x60
    EXPECT eax, 0x65
    PUT 0xfffffff0, 0x40, 0x39, 0xd8, 0x72, 0x1b, 0xc3  # INC EAX; CMP EAX, EBX; JB 10h; RET
    PUT 0x10, 0xe2, 0xde, 0xc3      # LOOP FFFFFFF0; RET
    xor eax, eax
    mov ecx, 30
    mov ebx, 100
    CALLS 0xfffffff0
    EXPECT eax, 30
    mov ecx, 200
    CALLS 0xfffffff0
    EXPECT eax, 100
    EXPECT ecx, 131
    # Straight on over the end: INC at FFFFFFFF, then 0. (One that straddles may fault or not: SDM volume 3A, 5.3.)
    PUT 0xffffffff, 0x40
    PUT 0, 0x40, 0xc3
    xor eax, eax
    CALLS 0xffffffff
    EXPECT eax, 2

    # Code segments: base - 123h, a base whose sum with EIP wraps round, base 0: the same bytes give other EIPs.
    DESC ODD, (look-0x123), 0xfffff, 0x9b, 0xc0
    DESC MINUS, (look+0x2000), 0xfffff, 0x9b, 0xc0
    mov ecx, 3
2:  call CODE0:OFFSET look
    EXPECT eax, (OFFSET look_back)
    call ODD:0x123
    EXPECT eax, (look_back-look+0x123)
    call MINUS:-0x2000              # base + FFFFE000 wraps
    EXPECT eax, (look_back-look-0x2000)
    dec ecx
    jnz 2b
    # Code under an odd base that runs over a page's end, patched on both sides of it.
    DESC ROUND, (cross_page-0x0ffd), 0xfffff, 0x9b, 0xc0
    mov edi, OFFSET cross_page - 3
    mov byte ptr [edi], 0xb8        # MOV EAX, imm32; INC EAX; RETF
    mov dword ptr [edi + 1], 0x01010101
    mov word ptr [edi + 5], 0xcb40
    mov ecx, 4
2:  mov byte ptr [edi + 1], cl      # on the first page
    mov byte ptr [edi + 4], cl      # on the second
    call ROUND:0xffa                # = cross_page - 3
    mov ebx, ecx
    imul ebx, ebx, 0x01000001
    add ebx, 0x00010101             # the middle bytes, and INC
    EXPECT eax, ebx
    dec ecx
    jnz 2b
    # 16-bit code: branches truncate to IP, CALL pushes the truncated one.
    DESC CODE16, code16, 0xffff, 0x9b, 0
    mov edi, OFFSET code16
    mov dword ptr [edi + 0xfff0], 0x30eb4040    # INC AX; INC AX; JMP +30h: to 24h
    mov word ptr [edi + 0x24], 0xcbeb           # JMP -35h: back to FFF1h
    mov byte ptr [edi + 0x24], 0x66             # RETFD
    mov byte ptr [edi + 0x25], 0xcb
    xor eax, eax
    call CODE16:0xfff0
    EXPECT eax, 2
    mov byte ptr [edi + 0xfffd], 0xe8           # CALL +50h, its end at FFFFh: pushes 0, goes to 50h
    mov word ptr [edi + 0xfffe], 0x50
    mov byte ptr [edi], 0x66                    # RETFD at 0
    mov byte ptr [edi + 1], 0xcb
    mov dword ptr [edi + 0x50], 0xe0ff58        # POP AX; JMP AX
    mov eax, 0x7777ffff
    call CODE16:0xfffd
    EXPECT eax, 0x77770000
    mov dword ptr [edi + 0x60], 0xff7ee9        # JMP FFE1h
    mov word ptr [edi + 0x61], 0xff7e
    mov dword ptr [edi + 0xffe1], 0xcb6640
    xor eax, eax
    call CODE16:0x60
    EXPECT eax, 1
    # Straight on beyond FFFFh there is nothing: #GP.
    .ifndef QEMU
    mov byte ptr [edi + 0xffff], 0x40
    ARM 1f
    mov eax, 0x100
    jmp CODE16:0xffff
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_cs], CODE16
    EXPECT eax, 0x101
    .endif
    dec dword ptr [rounds]
    jnz again
    ret

look:
    call look_back
look_back:
    pop eax
    retf

    .section .bss
    .balign 4096
pt_top: .skip 4096
top: .skip 4096
    .skip 4096
cross_page: .skip 4096
code16: .skip 0x10010
rounds: .skip 4
