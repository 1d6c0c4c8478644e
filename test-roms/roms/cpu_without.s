#! title = "Features taken away from a processor: CPUID does not tell of them, their instructions raise #UD, TZCNT and LZCNT are BSF and BSR"
#! load = "multiboot"
#! cpu = "max,-bmi1,-bmi2,-lzcnt,-movbe,-adx,-popcnt,-sse4_1"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 2, CPUID and each instruction's #UD.
    .include "pm.inc"
    .arch .bmi
    .arch .bmi2
    .arch .lzcnt
    .arch .movbe
    .arch .adx
    .arch .popcnt
main:
    mov eax, 7
    xor ecx, ecx
    cpuid
    and ebx, 0x00080108
    EXPECT ebx, 0
    mov eax, 0x80000001
    cpuid
    and ecx, 0x20
    EXPECT ecx, 0
    mov eax, 1
    cpuid
    and ecx, 0x00d80000             # MOVBE, POPCNT, SSE4.1, and SSE4.2 with it
    EXPECT ecx, 0
    mov ecx, 100
again:
    push ecx
    call check
    pop ecx
    dec ecx
    jnz again
    ret

check:
    FAULTS 6, 0, andn eax, ecx, ebx
    FAULTS 6, 0, bextr eax, ecx, ebx
    FAULTS 6, 0, blsr eax, ecx
    FAULTS 6, 0, bzhi eax, ecx, ebx
    FAULTS 6, 0, mulx eax, ecx, ebx
    FAULTS 6, 0, pdep eax, ecx, [0]
    FAULTS 6, 0, rorx eax, ecx, 1
    FAULTS 6, 0, shlx eax, ecx, ebx
    FAULTS 6, 0, movbe eax, [0]
    FAULTS 6, 0, adcx eax, ebx
    FAULTS 6, 0, adox eax, ebx
    FAULTS 6, 0, popcnt eax, ebx
    mov ebx, 0x100
    lzcnt eax, ebx
    EXPECT eax, 8
    mov ebx, 0x300
    tzcnt eax, ebx
    EXPECT eax, 8
    xor ebx, ebx
    mov eax, 0x1234
    tzcnt eax, ebx                  # BSF of nothing leaves the destination
    EXPECT eax, 0x1234
    ret
