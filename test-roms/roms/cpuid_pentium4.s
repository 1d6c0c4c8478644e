#! title = "CPUID of the default model, the time-stamp counter, and what the feature bits promise"
#! load = "multiboot"
#! cpu = "pentium4"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 2, CPUID, RDTSC; volume 3A, 17.17; EFLAGS.ID.
    .include "pm.inc"
main:
    pushfd
    xor dword ptr [esp], 0x200000
    popfd
    pushfd
    pop ebx
    pushd 2
    popfd
    and ebx, 0x200000
    EXPECT ebx, 0x200000
    xor eax, eax
    cpuid
    cmp eax, 1
    setae al
    movzx eax, al
    EXPECT eax, 1
    mov eax, 1
    mov ebx, -1
    mov ecx, -1
    cpuid
    and edx, 0x07808111             # FPU, TSC, CX8, CMOV, MMX, FXSR, SSE, SSE2
    EXPECT edx, (0x07808111)
    OK3 cpuid
    # Long mode's leaf does not promise it.
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb 1f
    mov eax, 0x80000001
    cpuid
    and edx, 0x20000000
    EXPECT edx, 0
1:  .ifndef QEMU                    # (QEMU's model has no limit and says nothing of itself)
    # IA32_MISC_ENABLE limits CPUID to leaf 2 until it is cleared; leaf 7 then tells of IA32_ARCH_CAPABILITIES, which says
    # what the processor is not vulnerable to, and cannot be written.
    xor eax, eax
    cpuid
    EXPECT eax, 2
    mov ecx, 0x1a0
    rdmsr
    test eax, 1 << 22
    setnz bl
    movzx ebx, bl
    EXPECT ebx, 1
    and eax, ~(1 << 22)
    wrmsr
    xor eax, eax
    cpuid
    EXPECT eax, 7
    mov eax, 7
    xor ecx, ecx
    cpuid
    EXPECT edx, (1 << 29)
    mov ecx, 0x10a
    rdmsr
    EXPECT eax, 0x141               # RDCL_NO, IF_PSCHANGE_MC_NO, TAA_NO
    EXPECT edx, 0
    FAULTS 13, 0, wrmsr
    .endif
    # Where RDRAND is offered, it gives numbers that differ, CF, and no other flag; else it is #UD.
    mov eax, 1
    cpuid
    test ecx, 0x40000000
    jnz 1f
    FAULTS 6, 0, .byte 0x0f, 0xc7, 0xf0
    jmp 3f
1:  mov ebx, 0x12345678
    .byte 0x66, 0x0f, 0xc7, 0xf3    # rdrand bx: the assembler knows the real Pentium 4
    and ebx, 0xffff0000
    EXPECT ebx, 0x12340000          # 16 bits are 16 bits
    xor eax, eax
    sub eax, 1                      # CF, PF, AF, SF
    .byte 0x0f, 0xc7, 0xf6          # rdrand esi
    pushfd
    pop ebx
    and ebx, 0x8d5
    EXPECT ebx, 1
    .byte 0x0f, 0xc7, 0xf7          # rdrand edi
    xor esi, edi
    setnz al
    movzx eax, al
    EXPECT eax, 1
3:  # RDTSC goes forward; CR4.TSD closes it to ring 3.
    rdtsc
    mov ebx, eax
    mov ecx, edx
    mov esi, 1000
2:  dec esi
    jnz 2b
    rdtsc
    sub eax, ebx
    sbb edx, ecx
    setnc bl
    movzx ebx, bl
    EXPECT ebx, 1
    or eax, edx
    setnz al
    movzx eax, al
    EXPECT eax, 1
    OK3 rdtsc
    mov eax, cr4
    or eax, 4
    mov cr4, eax
    FAULTS3 13, 0, rdtsc
    rdtsc
    ret
