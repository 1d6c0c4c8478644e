#! title = "A branch beyond the CS limit faults at the branch: EIP, ESP, ECX and the stack as before it"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 8. SDM volume 2, JMP, CALL, RET, LOOP, Jcc, IRET: the new EIP is checked before anything is committed. A lazy
# translator jumps first and faults at the target's fetch, with ESP and ECX already changed. QEMU checks no limits.
    .include "pm.inc"
    .set CODE_SMALL, SPARE
    .set BEYOND, 0x100000
    .set GATE_BEYOND, SPARE + 8

# The code at `label` faults with #GP(0) at `at`, `pushed` bytes below the ESP it began with, ECX as it began.
.macro REFUSED label, at, pushed=0
    ARM 779f
    mov ebx, esp
    mov ecx, 5
    mov eax, BEYOND
    mov edx, OFFSET far_away
    jmp CODE_SMALL:(\label-small_code)
779: DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_cs], CODE_SMALL
    EXPECT [exc_eip], (\at-small_code)
    mov edi, [exc_frame]
    add edi, 12 + \pushed
    EXPECT edi, ebx
    EXPECT ecx, 5
    EXPECT eax, BEYOND
.endm

main:
    mov dword ptr [rounds], 20
    mov dword ptr [far_away], BEYOND
    mov dword ptr [far_away + 4], CODE_SMALL
again:
    DESC CODE_SMALL, small_code, (small_end-small_code-1), 0x9a, 0x40
    # What stays inside works, its last byte included: INT3 there is reported with the address behind the limit.
    ARM 1f
    jmp CODE_SMALL:(small_end-1-small_code)
1:  DISARM
    EXPECT [exc_vector], 3
    EXPECT [exc_eip], (small_end-small_code)
    ARM 1f
    jmp CODE_SMALL:(not_taken-small_code)
1:  DISARM
    EXPECT [exc_vector], 0x30
    .ifndef QEMU
    REFUSED b_jmp, b_jmp
    REFUSED b_short, b_short
    REFUSED b_cond, b_cond_at
    REFUSED b_cond_short, b_cond_short_at
    REFUSED b_loop, b_loop
    REFUSED b_loope, b_loope_at
    REFUSED b_reg, b_reg
    REFUSED b_mem, b_mem
    REFUSED b_call, b_call
    REFUSED b_call_reg, b_call_reg
    REFUSED b_call_mem, b_call_mem
    REFUSED b_ret, b_ret_at, 4
    REFUSED b_ret_n, b_ret_n_at, 4
    REFUSED b_far_jmp, b_far_jmp
    REFUSED b_far_call, b_far_call
    REFUSED b_retf, b_retf_at, 8
    REFUSED b_iret, b_iret_at, 12
    REFUSED b_neg, b_neg
    # What was on the stack of RET is there still, and CALL has pushed nothing.
    mov dword ptr [esp - 4], 0x77777777
    REFUSED b_jmp, b_jmp
    # JECXZ: taken only with ECX = 0.
    ARM 1f
    xor ecx, ecx
    jmp CODE_SMALL:(b_jecxz-small_code)
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (b_jecxz-small_code)
    EXPECT ecx, 0
    # An instruction that the limit cuts: at its own address, its first byte is inside.
    ARM 1f
    jmp CODE_SMALL:(cut-small_code)
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (cut-small_code)
    # The limit in pages: EIP 2000h is one too far.
    DESC CODE_SMALL, small_code, 1, 0x9a, 0xc0
    mov eax, 0x2000
    ARM 1f
    jmp CODE_SMALL:(b_reg-small_code)
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (b_reg-small_code)
    DESC CODE_SMALL, small_code, (small_end-small_code-1), 0x9a, 0x40
    # From outside: far transfers fault in the old segment.
    FAULTS 13, 0, jmp CODE_SMALL:BEYOND
    FAULTS 13, 0, call CODE_SMALL:BEYOND
    FAULTS 13, 0, jmp fword ptr [far_away]
    FAULTS 13, 0, call fword ptr [far_away]
    # Gates: #GP(0) for INT n, #GP(EXT) for an exception, #GP(0) for a call gate.
    GATE 0x21, BEYOND, 0x8e, CODE_SMALL
    FAULTS 13, 0, int 0x21
    GATE 6, BEYOND, 0x8e, CODE_SMALL
    FAULTS 13, 1, ud2
    GATE 6, (vector_stubs+6*16)
    mov dword ptr [gdt + GATE_BEYOND], CODE_SMALL << 16
    mov dword ptr [gdt + GATE_BEYOND + 4], 0x00108c00
    FAULTS 13, 0, call GATE_BEYOND:0
    FAULTS 13, 0, jmp GATE_BEYOND:0
    # A 16-bit operand size truncates EIP before the check: inside again.
    ARM 1f
    mov eax, 0x5a0000 + (b_int-small_code)
    jmp CODE_SMALL:(b_reg16-small_code)
1:  DISARM
    EXPECT [exc_vector], 0x30
    EXPECT [exc_eip], (b_int-small_code+2)
    .endif
    dec dword ptr [rounds]
    jnz again
    ret

    .balign 16
small_code:
    nop
b_jmp: jmp small_code + BEYOND
b_neg: jmp small_code - 1
b_cond: cmp ecx, 5
b_cond_at: jz small_code + BEYOND
b_reg: jmp eax
b_reg16: .byte 0x66, 0xff, 0xe0      # JMP AX
b_mem: jmp dword ptr ds:[edx]
b_call: call small_code + BEYOND
b_call_reg: call eax
b_call_mem: call dword ptr ds:[edx]
b_ret: push eax
b_ret_at: ret
b_ret_n: push eax
b_ret_n_at: ret 64
b_far_jmp: jmp fword ptr ds:[edx]
b_far_call: call fword ptr ds:[edx]
b_retf: push cs
    push eax
b_retf_at: retf
b_iret: pushd 2
    push cs
    push eax
b_iret_at: iretd
not_taken:
    cmp ecx, ecx
    jnz small_code + BEYOND
b_int:
    int 0x30
b_short: jmp small_end + 0x10
b_cond_short: test eax, eax
b_cond_short_at: jnz small_end + 0x10
b_loop: loop small_end + 0x10
b_loope: cmp eax, eax
b_loope_at: loope small_end + 0x10
b_jecxz: jecxz small_end + 0x10
cut: .byte 0xb8                      # MOV EAX, imm32, of which two bytes are inside
    .byte 0xcc                      # INT3 to whoever jumps here
small_end:
    .skip 32, 0x90

    .section .bss
    .balign 4
rounds: .skip 4
far_away: .skip 8
