#! title = "Thousands of LOCKs across cache lines and pages: exact, and not slow"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
#! timeout = 8
# docs/traps.md, table B, split locks. A host takes up to 400 us for one of them, so that a native LOCK does not end in time.
    .include "pm.inc"
    .include "paging.inc"

main:
    call paging_on
    MAP 0, frame, P+W+U
    MAP 1, other, P+W+U             # (not the next frame: the halves lie apart)
    mov edx, WINDOW + 61            # across a line
    call count
    mov edx, WINDOW + 0xffe         # across a page
    call count
    movzx eax, word ptr [frame + 0xffe]
    movzx ebx, word ptr [other]
    shl ebx, 16
    or eax, ebx
    EXPECT eax, 40000
    # The far half is read-only: nothing is written.
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    MAP 1, other, P+U
    FLUSH
    .ifndef QEMU                    # (QEMU reports its read)
    FAULTS 14, 3, lock add dword ptr [edx], 1
    EXPECT [exc_cr2], WINDOW+0x1000
    .endif
    movzx eax, word ptr [frame + 0xffe]
    EXPECT eax, (40000 & 0xffff)
    ret

count:
    mov dword ptr [edx], 0
    mov ecx, 10000
1:  lock add dword ptr [edx], 1
    mov eax, 1
    lock xadd [edx], eax
    inc eax
    lea ebx, [eax + 1]
    lock cmpxchg [edx], ebx
    xchg [edx], ebx
    lock inc dword ptr [edx]
    dec ecx
    jnz 1b
    EXPECT [edx], 40000
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
gap: .skip 4096
other: .skip 4096
