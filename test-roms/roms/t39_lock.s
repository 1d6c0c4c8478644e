#! title = "LOCK stands before a read-modify-write of memory; anywhere else it is #UD"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 39. SDM volume 2, LOCK.
    .include "pm.inc"
    .include "paging.inc"
    .set PAGE, WINDOW + 0x1000

main:
    call paging_on
    MAP 1, frame, P+W+U
    mov ebx, 0x33333333
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

    ret

    .section .bss
    .balign 4096
frame: .skip 4096
