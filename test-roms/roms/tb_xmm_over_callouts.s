#! title = "XMM, MMX, x87 and their control words over all that takes a translator out of its code"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md, table B, xmm in callouts. Rust uses SSE; so the registers are compared after first touches of pages, ports,
# CPUID, rewritten code, faults, loads of control registers, far jumps, with values that each hold their number.
    .include "pm.inc"
    .include "paging.inc"
    .arch .sse2

main:
    call paging_on
    mov eax, cr4
    or eax, 0x600
    mov cr4, eax
    mov edi, OFFSET values          # 8 registers of 16 bytes, all different
    mov ecx, 128
    mov al, 0x11
1:  stosb
    add al, 7
    loop 1b
    mov dword ptr [rounds], 60
2:  fninit
    fldcw [control]
    fldpi
    fld1
    .irp n, 0,1,2,3,4,5,6,7
    movups xmm\n, [values + \n * 16]
    .endr
    ldmxcsr [mxcsr]
    call trouble
    .irp n, 0,1,2,3,4,5,6,7
    movups [seen + \n * 16], xmm\n
    .endr
    stmxcsr [seen_mxcsr]
    fnstcw [seen_control]
    fstp dword ptr [seen_st]
    fstp dword ptr [seen_st + 4]
    EXPECT [seen_st], 0x3f800000
    EXPECT [seen_st + 4], 0x40490fda    # (rounded down, as the control word says)
    EXPECT [seen_mxcsr], 0x7fa0
    movzx eax, word ptr [seen_control]
    EXPECT eax, 0x77f
    call compare
    # The same for MMX, which shares its registers with the x87.
    fninit
    .irp n, 0,1,2,3,4,5,6,7
    movq mm\n, [values + \n * 16]
    .endr
    call trouble
    .irp n, 0,1,2,3,4,5,6,7
    movq [seen + \n * 16], mm\n
    .endr
    emms
    call compare
    dec dword ptr [rounds]
    jnz 2b
    ret

compare:
    mov esi, OFFSET values
    mov edi, OFFSET seen
    mov ecx, 32
    repe cmpsd
    EXPECT ecx, 0
    ret

trouble:
    mov ecx, 4
    mov eax, OFFSET frame + P + W + U
    mov edi, OFFSET pt1
    rep stosd
    FLUSH
    mov ecx, 4
    mov edi, WINDOW
1:  mov [edi], ecx                  # first touches
    add edi, 4096
    mov [patched + 1], ecx          # code rewritten, and run
    call patched
    loop 1b
    in al, 0x61
    mov eax, 0
    cpuid
    rdtsc
    mov eax, cr0
    mov cr0, eax
    sidt [buffer]
    FAULTS 6, 0, ud2
    FAULTS 14, 2, mov [WINDOW + 0x8000], eax
    jmp CODE0:OFFSET 2f
2:  mov edx, 5
    xor eax, eax
    mov ecx, 0
    ARM 3f
    div ecx                         # #DE
3:  DISARM
    EXPECT [exc_vector], 0
    ret

    .balign 4096
patched:
    mov eax, 0
    ret
    .balign 4096

    .section .data
control: .word 0x77f                # round down
    .balign 4
mxcsr: .long 0x7fa0                 # round to zero, PE set, all masked
    .section .bss
    .balign 4096
frame: .skip 4096
    .balign 16
values: .skip 128
seen: .skip 128
seen_st: .skip 8
seen_mxcsr: .skip 4
seen_control: .skip 4
buffer: .skip 8
rounds: .skip 4
