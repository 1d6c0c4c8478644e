#! title = "BT far from its operand, CMPXCHG and CMPXCHG8B on read-only pages, LOCK where it may not be"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# traps.md 45, 46, 39, 44. SDM volume 2: BT, CMPXCHG, CMPXCHG8B, LOCK.
    .include "pm.inc"
    .include "paging.inc"
    .set PAGE, WINDOW + 0x1000

main:
    call paging_on
    MAP 1, frame, P+W+U
    # A register bit offset is signed and reaches 256 MiB either way.
    mov dword ptr [middle - 4], 0x80000000
    mov eax, -1
    xor ebx, ebx
    bt [middle], eax
    setc bl
    EXPECT ebx, 1
    mov eax, 8 * 4096 * 4
    lea edx, [PAGE - 4096*4]
    mov dword ptr [PAGE], 0
    bts [edx], eax
    EXPECT [PAGE], 1
    mov eax, -8 * 4096
    lea edx, [PAGE + 4096 + 4]
    add eax, -32 + 7
    btc [edx], eax
    EXPECT [PAGE], 0x81
    mov eax, 7
    btr dword ptr [PAGE], eax
    EXPECT [PAGE], 1
    mov eax, -16                    # the 16-bit form steps by words
    mov dword ptr [PAGE + 4], 0
    mov dword ptr [PAGE], 0
    bts word ptr [PAGE + 4], ax
    EXPECT [PAGE], 0x10000
    bt dword ptr [PAGE], 16 + 32    # an immediate is taken modulo the size
    setc bl
    EXPECT ebx, 1
    mov eax, 35                     # a register operand: modulo too
    xor ecx, ecx
    bts ecx, eax
    EXPECT ecx, 8
    # The fault's address is that of the word that the bit is in.
    lea edx, [PAGE]
    mov eax, 8 * 4096 + 64
    FAULTS 14, 0, bt [edx], eax
    EXPECT [exc_cr2], PAGE+4096+8
    # Addresses wrap at 4 GiB.
    mov edx, 0xfffffffc
    mov eax, OFFSET middle
    lea eax, [eax * 8 + 32]
    mov dword ptr [middle], 0x55
    bt [edx], eax                   # the byte at FFFFFFFCh + 4 + middle
    setc bl
    EXPECT ebx, 1

    # CMPXCHG writes in either case.
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    mov dword ptr [frame], 5
    MAP 1, frame, P
    invlpg [PAGE]
    mov eax, 6
    mov ecx, 7
    FAULTS 14, 3, cmpxchg [PAGE], ecx
    EXPECT eax, 6
    FAULTS 14, 3, lock cmpxchg [PAGE], ecx
    mov edx, 1
    FAULTS 14, 3, cmpxchg8b [PAGE]
    EXPECT edx, 1
    FAULTS 14, 3, xadd [PAGE], ecx
    FAULTS 14, 3, lock or dword ptr [PAGE], 0
    FAULTS 14, 3, bts dword ptr [PAGE], 0
    bt dword ptr [PAGE], 0
    MAP 1, frame, P+W
    invlpg [PAGE]
    # CMPXCHG8B.
    mov dword ptr [PAGE], 0x11111111
    mov dword ptr [PAGE + 4], 0x22222222
    mov eax, 0x11111111
    mov edx, 0x22222222
    mov ebx, 0x33333333
    mov ecx, 0x44444444
    cmpxchg8b [PAGE]
    setz al
    movzx eax, al
    EXPECT eax, 1
    EXPECT [PAGE], 0x33333333
    EXPECT [PAGE + 4], 0x44444444
    lock cmpxchg8b [PAGE]
    EXPECT eax, 0x33333333
    EXPECT edx, 0x44444444

    # LOCK: only before read-modify-write with a memory destination.
    lock add dword ptr [PAGE], 1
    lock bts dword ptr [PAGE], 31
    lock xchg [PAGE], eax
    lock neg byte ptr [PAGE]
    lock xadd [PAGE + 1], eax
    .ifndef QEMU                    # (QEMU lets some of them pass)
    mov edx, OFFSET frame
    FAULTS 6, 0, .byte 0xf0, 0x8b, 0x02         # MOV
    FAULTS 6, 0, .byte 0xf0, 0x01, 0xc0         # ADD EAX, EAX
    FAULTS 6, 0, .byte 0xf0, 0x03, 0x02         # ADD EAX, [EDX]
    FAULTS 6, 0, .byte 0xf0, 0x39, 0x02         # CMP
    FAULTS 6, 0, .byte 0xf0, 0x85, 0x02         # TEST
    FAULTS 6, 0, .byte 0xf0, 0x50               # PUSH
    FAULTS 6, 0, .byte 0xf0, 0xd1, 0x22         # SHL
    FAULTS 6, 0, .byte 0xf0, 0x0f, 0xa3, 0x02   # BT
    FAULTS 6, 0, .byte 0xf0, 0xf7, 0x22         # MUL
    FAULTS 6, 0, .byte 0xf0, 0xff, 0x32         # PUSH [EDX]
    FAULTS 6, 0, .byte 0xf0, 0xfa               # CLI
    FAULTS 6, 0, .byte 0xf0, 0x0f, 0xb1, 0xc1   # CMPXCHG ECX, EAX
    .endif

    # The wrap at the end of the address space: FFFFFFFEh .. 1.
    mov dword ptr [page_dir + 1023 * 4], OFFSET pt1 + P + W
    mov dword ptr [pt1 + 1023 * 4], OFFSET frame + P + W
    FLUSH
    mov edx, 0xfffffffe
    mov ax, [0]
    mov [saved], ax
    mov dword ptr [edx], 0x44332211
    movzx eax, word ptr [frame + 4094]
    movzx ebx, word ptr [0]
    EXPECT eax, 0x2211
    EXPECT ebx, 0x4433
    EXPECT [edx], 0x44332211
    add dword ptr [edx], 0x01000001
    EXPECT [edx], 0x45332212
    mov esi, edx
    lodsd
    EXPECT eax, 0x45332212
    EXPECT esi, 2
    lea eax, [edx + 4]
    EXPECT eax, 2
    movzx ebx, word ptr [edx + 2]
    EXPECT ebx, 0x4533
    mov ebx, 0xffffffff
    mov al, 1
    mov byte ptr [0], 0x66
    xlat                            # EBX + AL wraps
    movzx eax, al
    EXPECT eax, 0x66
    mov ax, [saved]
    mov [0], ax
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
    .skip 8
middle: .skip 8
saved: .skip 4
