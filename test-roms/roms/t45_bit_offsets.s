#! title = "Bit offsets in registers reach far from the operand"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 45. SDM volume 2, BT, BTS, BTR, BTC.
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

    ret

    .section .bss
    .balign 4096
frame: .skip 4096
    .skip 8
middle: .skip 8
