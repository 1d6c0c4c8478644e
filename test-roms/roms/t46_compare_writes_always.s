#! title = "CMPXCHG, CMPXCHG8B and their like write their destination always"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 46. SDM volume 2, CMPXCHG, CMPXCHG8B, XADD.
    .include "pm.inc"
    .include "paging.inc"
    .set PAGE, WINDOW + 0x1000

main:
    call paging_on
    MAP 1, frame, P+W+U
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

    ret

    .section .bss
    .balign 4096
frame: .skip 4096
