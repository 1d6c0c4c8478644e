#! title = "BMI1, BMI2, LZCNT, MOVBE, ADX, RDSEED: results, flags, faults; CPUID tells of them"
#! load = "multiboot"
#! cpu = "max"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 2, under the instructions' names, and 2.3 (VEX); volume 1, 20.1.
    .include "pm.inc"
    .arch .bmi
    .arch .bmi2
    .arch .lzcnt
    .arch .movbe
    .arch .adx
    .arch .rdseed

    .set CF, 0x001
    .set ZF, 0x040
    .set SF, 0x080
    .set OF, 0x800
    .set KNOWN, CF | ZF | SF | OF

# FLAGS mask, wanted: of the arithmetic flags as they are.
.macro FLAGS mask, wanted
    pushfd
    pop edx
    and edx, (\mask)
    EXPECT edx, (\wanted)
.endm

main:
    mov eax, 7
    xor ecx, ecx
    cpuid
    and ebx, 0x000c0108
    EXPECT ebx, 0x000c0108          # BMI1, BMI2, RDSEED, ADX
    mov eax, 0x80000001
    cpuid
    and ecx, 0x20
    EXPECT ecx, 0x20                # LZCNT
    mov eax, 1
    cpuid
    and ecx, 0x00400000
    EXPECT ecx, 0x00400000          # MOVBE

    mov ecx, 100                    # often enough to be translated
again:
    push ecx
    call check
    pop ecx
    dec ecx
    jnz again

    FAULTS 13, 0, movbe cs:[0], eax # a code segment cannot be written
    FAULTS 6, 0, .byte 0xf0, 0xc4, 0xe2, 0x70, 0xf2, 0xc2       # LOCK ANDN
    FAULTS 6, 0, .byte 0x66, 0xc4, 0xe2, 0x70, 0xf2, 0xc2       # 66h before VEX
    ret

check:
    mov ebx, 0x00000058
    tzcnt eax, ebx
    FLAGS CF | ZF, 0
    EXPECT eax, 3
    xor ebx, ebx
    tzcnt eax, ebx
    FLAGS CF | ZF, CF
    EXPECT eax, 32
    mov ebx, 0x8000
    lzcnt ax, bx
    FLAGS CF | ZF, ZF
    and eax, 0xffff
    EXPECT eax, 0
    mov [word], ebx
    lzcnt eax, [word]
    EXPECT eax, 16

    mov ebx, 0x58
    blsi eax, ebx
    FLAGS KNOWN, CF
    EXPECT eax, 8
    blsr eax, ebx
    FLAGS KNOWN, 0
    EXPECT eax, 0x50
    blsmsk eax, ebx
    FLAGS KNOWN, 0
    EXPECT eax, 15
    mov ecx, 0xf0
    mov ebx, 0x800000ff
    andn eax, ecx, ebx
    FLAGS KNOWN, SF
    EXPECT eax, 0x8000000f
    mov ebx, 0x12345678
    mov ecx, 0x0804
    bextr eax, ebx, ecx
    FLAGS CF | ZF | OF, 0
    EXPECT eax, 0x67
    mov ecx, 32
    bzhi eax, ebx, ecx
    FLAGS KNOWN, CF
    EXPECT eax, 0x12345678
    mov ecx, 12
    bzhi eax, ebx, ecx
    FLAGS KNOWN, 0
    EXPECT eax, 0x678

    mov ecx, 0x80001110
    mov ebx, 11
    pdep eax, ebx, ecx
    EXPECT eax, 0x80000110
    pext eax, eax, ecx
    EXPECT eax, 11
    mov [word], ecx
    pext esi, ecx, [word]
    EXPECT esi, 15

    # These leave the flags alone, and take the stack pointer like any other register.
    stc
    rorx eax, ecx, 4
    FLAGS CF, CF
    EXPECT eax, 0x08000111
    mov ecx, 33
    mov ebx, 0x80000001
    sarx eax, ebx, ecx
    EXPECT eax, 0xc0000000
    shrx eax, ebx, ecx
    EXPECT eax, 0x40000000
    shlx eax, [word], ecx
    EXPECT eax, 0x00002220
    mov esi, esp
    mov edx, 0x10001
    mulx esp, eax, ebx
    mov ebx, esp
    mov esp, esi
    EXPECT eax, 0x80010001
    EXPECT ebx, 0x00008000
    mov edx, -1
    mulx eax, eax, edx
    EXPECT eax, 0xfffffffe          # one register for both halves keeps the high one

    # Each carry of its own.
    mov eax, 0xffffffff
    mov ebx, 1
    stc
    adcx eax, ebx
    FLAGS CF, CF
    EXPECT eax, 1
    xor eax, eax                    # CF and OF are clear
    mov eax, 0xffffffff
    adox eax, ebx
    FLAGS CF | OF, OF
    EXPECT eax, 0

    mov eax, 0x11223344
    movbe [word], eax
    EXPECT [word], 0x44332211
    movbe bx, [word]
    and ebx, 0xffff
    EXPECT ebx, 0x1122
    movbe ebx, [word]
    EXPECT ebx, 0x11223344

    rdseed eax
    FLAGS KNOWN, CF
    ret

    .bss
    .balign 4
word: .skip 8
