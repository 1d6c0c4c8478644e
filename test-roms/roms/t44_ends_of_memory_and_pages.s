#! title = "Accesses over the end of 4 GiB, and over a page edge that faults"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 44. SDM volume 1, 3.3.5 (wrap); volume 3A, 6.5 (faults leave no partial store).
    .include "pm.inc"
    .include "paging.inc"
    .set PAGE, WINDOW + 0x1000

main:
    call paging_on
    MAP 1, frame, P+W+U
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

    # Across a page edge whose far half faults: nothing of the near half is written.
    MAP 1, frame, P+W+U
    FLUSH
    mov dword ptr [frame + 4092], 0x11223344
    FAULTS 14, 2, mov dword ptr [PAGE + 4094], 0x99999999
    EXPECT [frame + 4092], 0x11223344
    EXPECT [exc_cr2], PAGE+4096
    .ifndef QEMU                    # (QEMU reports its read)
    FAULTS 14, 2, add dword ptr [PAGE + 4093], 1
    .endif
    EXPECT [frame + 4092], 0x11223344
    fld1
    FAULTS 14, 2, fstp tbyte ptr [PAGE + 4090]
    EXPECT [frame + 4092], 0x11223344
    fstp st(0)
    mov edx, OFFSET frame
    FAULTS 14, 2, mov word ptr [PAGE + 4095], 0x9999
    FAULTS 14, 0, mov ax, [PAGE + 4095]
    # The near half faults: its address is the operand's.
    FAULTS 14, 2, mov dword ptr [PAGE - 2], 1
    EXPECT [exc_cr2], PAGE-2
    EXPECT [frame + 4092], 0x11223344
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
saved: .skip 4
