#! title = "XSAVE, AVX, AVX2, FMA, F16C: enabling, #UD and #NM, results, upper halves over callouts and context switches, XSAVE images, masked moves and gathers"
#! load = "multiboot"
#! cpu = "host,-sha_ni"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 1, chapters 13 and 14; volume 2, under the instructions' names.
    .include "pm.inc"
    .arch .avx2
    .arch .fma
    .arch .f16c
    .arch .xsave
    .arch .xsaveopt
    .arch .aes
    .arch .pclmul

main:
    mov eax, 1
    cpuid
    and ecx, 0x3c001000             # FMA, XSAVE, OSXSAVE, AVX, F16C
    EXPECT ecx, 0x34001000
    mov eax, cr4
    or eax, 0x200
    mov cr4, eax
    FAULTS 6, 0, vaddps xmm0, xmm1, xmm2
    FAULTS 6, 0, xgetbv
    FAULTS 6, 0, xsave [image]
    mov eax, cr4
    or eax, 0x40000                 # OSXSAVE
    mov cr4, eax
    mov eax, 1
    cpuid
    and ecx, 0x08000000
    EXPECT ecx, 0x08000000
    xor ecx, ecx
    xgetbv
    EXPECT eax, 1
    EXPECT edx, 0
    FAULTS 6, 0, vaddps xmm0, xmm1, xmm2
    mov eax, 5
    FAULTS 13, 0, xsetbv            # AVX without SSE
    mov eax, 0xf
    FAULTS 13, 0, xsetbv            # a component that there is not
    mov eax, 6
    FAULTS 13, 0, xsetbv            # x87 is always there
    mov eax, 3
    xsetbv
    FAULTS 6, 0, vaddps ymm0, ymm1, ymm2
    mov eax, 0xd
    xor ecx, ecx
    cpuid
    EXPECT eax, 7
    EXPECT ebx, 576
    EXPECT ecx, 832
    mov eax, 7
    xor ecx, ecx
    xor edx, edx
    xsetbv
    mov eax, 0xd
    cpuid
    EXPECT ebx, 832
    mov eax, cr0
    or eax, 8                       # TS
    mov cr0, eax
    FAULTS 7, 0, vaddps ymm0, ymm1, ymm2
    FAULTS 7, 0, xrstor [image]
    clts
    FAULTS 6, 0, .byte 0xf0, 0xc5, 0xf4, 0x58, 0xc2     # LOCK VADDPS

    mov ecx, 100                    # often enough to be translated
again:
    push ecx
    call check
    pop ecx
    dec ecx
    jnz again
    ret

# LANES register, first dword, last dword: of a YMM register.
.macro LANES reg, first, last
    vmovups [out], \reg
    EXPECT [out], \first
    EXPECT [out + 28], \last
.endm

check:
    vmovups ymm1, [numbers]
    vmovaps ymm2, [numbers]
    vaddps ymm0, ymm1, ymm2
    LANES ymm0, 0x40000000, 0x41800000      # 2, 16
    EXPECT [out + 16], 0x41200000           # 10
    in al, 0x61                             # the interpreter's
    LANES ymm0, 0x40000000, 0x41800000
    addps xmm0, xmm0                        # leaves the upper half
    LANES ymm0, 0x40800000, 0x41800000
    vaddps xmm0, xmm0, xmm1                 # clears it
    LANES ymm0, 0x40a00000, 0
    vfmadd231ps ymm0, ymm1, ymm2
    LANES ymm0, 0x40c00000, 0x42800000      # 6, 64
    vpaddd ymm3, ymm1, ymm2
    LANES ymm3, 0x7f000000, 0x82000000
    vpermq ymm3, ymm1, 0x1b
    LANES ymm3, 0x40e00000, 0x40000000
    vcvtps2ph xmm3, ymm1, 0
    vcvtph2ps ymm4, xmm3
    LANES ymm4, 0x3f800000, 0x41000000
    vextracti128 [out], ymm1, 1
    EXPECT [out], 0x40a00000
    vbroadcastss ymm4, [numbers + 4]
    LANES ymm4, 0x40000000, 0x40000000
    vpcmpeqd ymm5, ymm5, ymm5
    vpmovmskb eax, ymm5
    EXPECT eax, 0xffffffff
    vptest ymm5, ymm5
    setc al
    movzx eax, al
    EXPECT eax, 1
    vzeroupper
    LANES ymm5, 0xffffffff, 0
    mov eax, 0x1234
    vmovd xmm6, eax
    vpinsrd xmm6, xmm6, esp, 3
    vpextrd ebx, xmm6, 3
    sub ebx, esp
    EXPECT ebx, 0
    FAULTS 13, 0, vmovaps ymm1, [numbers + 4]
    vmovups ymm1, [numbers + 4]

    # Masked moves touch what is selected only.
    vmovups ymm7, [mask]                    # the first and the last
    vmaskmovps ymm0, ymm7, [numbers]
    LANES ymm0, 0x3f800000, 0x41000000
    EXPECT [out + 4], 0
    vpcmpeqd ymm5, ymm5, ymm5
    vmovups [out], ymm5
    vmaskmovps [out], ymm7, ymm0
    EXPECT [out], 0x3f800000
    EXPECT [out + 4], 0xffffffff
    EXPECT [out + 28], 0x41000000
    vmovups ymm1, [indexes]
    vmovups ymm7, [mask]
    vpxor ymm2, ymm2, ymm2
    mov eax, OFFSET numbers
    vgatherdps ymm2, [eax + ymm1 * 4], ymm7
    LANES ymm2, 0x41000000, 0x3f800000
    LANES ymm7, 0, 0
    FAULTS 6, 0, .byte 0xc4, 0xe2, 0x75, 0x92, 0x0c, 0x90   # one register twice

    # XSAVE and XRSTOR, the optimised form too.
    vmovups ymm1, [numbers]
    mov ecx, 832 / 4
    mov edi, OFFSET image
    xor eax, eax
    rep stosd
    fninit
    fld1
    mov eax, -1
    mov edx, -1
    xsave [image]
    EXPECT [image + 512], 7
    EXPECT [image + 176], 0x3f800000
    EXPECT [image + 576 + 16], 0x40a00000
    fninit
    vzeroall
    mov eax, 7
    xor edx, edx
    xsaveopt [image2]
    mov eax, [image2 + 512]
    and eax, 6                              # (FNINIT leaves a number in an x87 register)
    EXPECT eax, 0
    mov eax, 7
    xor edx, edx
    xrstor [image]
    LANES ymm1, 0x3f800000, 0x41000000
    fnstsw ax
    and eax, 0x3800
    EXPECT eax, 0x3800                      # one number is on the stack
    mov eax, 4                              # AVX alone, from an image that has none
    mov dword ptr [image + 512], 3
    xrstor [image]
    LANES ymm1, 0x3f800000, 0
    mov eax, 7
    mov dword ptr [image + 512], 0xf
    FAULTS 13, 0, xrstor [image]
    mov dword ptr [image + 512], 7
    mov dword ptr [image + 520], 1
    FAULTS 13, 0, xrstor [image]
    FAULTS 13, 0, xsave [image + 16]

    # What came before AVX in its encoding.
    vmovups xmm0, [numbers]
    aesenc xmm0, [numbers]
    vaesenc xmm1, xmm2, [numbers]
    pclmulqdq xmm0, xmm1, 0x11
    vpclmulqdq xmm3, xmm0, xmm1, 0
    FAULTS 6, 0, .byte 0x0f, 0x38, 0xc8, 0xc1               # SHA1NEXTE, which was taken away
    ret

    .data
    .balign 32
numbers: .float 1, 2, 3, 4, 5, 6, 7, 8, 9
    .balign 32
mask: .long 0x80000000, 0, 0x7fffffff, 0, 0, 0, 0, 0xffffffff
indexes: .long 7, 0x10000000, 0x10000000, 0, 0, 0, 0, 0
    .bss
    .balign 64
image: .skip 1024
image2: .skip 1024
out: .skip 64
