#! title = "The 486 model: CPUID, and #UD for what came later"
#! load = "multiboot"
#! cpu = "486"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 1, 20.1 (identification); volume 2, CPUID and each instruction's #UD.
    .include "pm.inc"
main:
    xor eax, eax
    cpuid
    EXPECT eax, 1
    mov eax, 1
    cpuid
    shr eax, 8
    and eax, 15
    EXPECT eax, 4                   # family
    and edx, 0x07808930             # TSC, MSR, CX8, SEP, CMOV, MMX, FXSR, SSE, SSE2
    EXPECT edx, 0
    FAULTS 6, 0, cmovz eax, ebx
    .ifndef QEMU                    # (QEMU decodes some of them for any model)
    FAULTS 6, 0, rdtsc
    FAULTS 6, 0, rdmsr
    FAULTS 6, 0, cmpxchg8b [area]
    FAULTS 6, 0, fcomi st(0), st(1)
    FAULTS 6, 0, movq mm0, [area]
    FAULTS 6, 0, movaps xmm0, [area]
    FAULTS 6, 0, fxsave [area]
    FAULTS 6, 0, movd xmm0, eax
    .endif
    mov eax, 1                      # what the 486 brought works
    bswap eax
    EXPECT eax, 0x01000000
    mov ebx, 1
    xadd ebx, eax
    cmpxchg [area], ebx
    invlpg [area]
    wbinvd
    ret
    .section .bss
    .balign 16
area: .skip 512
