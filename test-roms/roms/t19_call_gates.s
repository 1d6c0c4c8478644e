#! title = "Call gates: stack switch, parameters, conforming targets, refusals"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 19. SDM volume 3A, 5.8.3 to 5.8.6; volume 2, CALL, RET, JMP.
    .include "pm.inc"
    .set GATE3, SPARE + 3           # to `inner`, three dwords
    .set GATE0, SPARE + 8           # DPL 0
    .set GATE_CONFORMING, SPARE + 0x10 + 3
    .set CONFORMING, SPARE + 0x18
    .set GATE_ABSENT, SPARE + 0x20 + 3
    .set GATE_BAD, SPARE + 0x28 + 3
    .set GATE16, SPARE + 0x30 + 3

# Gate descriptor: selector, target selector, offset, count, type byte.
.macro CALL_GATE selector, target, offset, count, type
    mov eax, OFFSET \offset
    mov [gdt + (\selector & 0xfff8)], ax
    mov word ptr [gdt + (\selector & 0xfff8) + 2], \target
    mov byte ptr [gdt + (\selector & 0xfff8) + 4], \count
    mov byte ptr [gdt + (\selector & 0xfff8) + 5], \type
    shr eax, 16
    mov [gdt + (\selector & 0xfff8) + 6], ax
.endm

main:
    CALL_GATE GATE3, CODE0, inner, 3, 0xec
    CALL_GATE GATE0, CODE0, inner, 0, 0x8c
    DESC CONFORMING, 0, 0xfffff, 0x9e, 0xc0
    CALL_GATE GATE_CONFORMING, CONFORMING, conforming, 0, 0xec
    CALL_GATE GATE_ABSENT, CODE0, inner, 0, 0x6c
    CALL_GATE GATE_BAD, DATA0, inner, 0, 0xec
    CALL_GATE GATE16, CODE0, 0x7000, 2, 0xe4
    mov byte ptr [0x7000], 0xe9     # its offset has 16 bits: JMP inner16
    mov dword ptr [0x7001], OFFSET inner16 - 0x7005

    jmp 2f
1:  mov ebp, esp
    pushd 0x11
    pushd 0x22
    pushd 0x33
    call GATE3:0x12345678           # the offset of the instruction is ignored
return_point:
    mov ecx, esp
    mov edx, cs
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT edx, CODE3
    EXPECT ecx, (OFFSET stack3_top) # RETF 12 released the parameters on both stacks
    EXPECT [seen + 0], (OFFSET return_point)
    EXPECT [seen + 4], CODE3
    EXPECT [seen + 8], 0x33
    EXPECT [seen + 12], 0x22
    EXPECT [seen + 16], 0x11
    EXPECT [seen + 20], (OFFSET stack3_top-12)
    EXPECT [seen + 24], DATA3
    EXPECT [seen + 28], (OFFSET stack0_irq_top-28)
    EXPECT [seen + 32], CODE0
    EXPECT [seen + 36], DATA0

    # A gate in ring 0: no stack switch, no parameters copied.
    mov ebx, esp
    call GATE0:0
after_same_ring:
    mov eax, esp
    mov esp, ebx                    # (the RETF 12 of `inner` released what is main's)
    sub eax, 12
    EXPECT eax, ebx
    EXPECT [seen + 0], (OFFSET after_same_ring)
    EXPECT [seen + 4], CODE0
    lea eax, [ebx - 8]
    EXPECT [seen + 28], eax

    # A conforming target runs in the caller's ring on the caller's stack.
    jmp 2f
1:  call GATE_CONFORMING:0
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    .ifdef QEMU                     # (QEMU shows the target's DPL in CS, though it runs at the caller's CPL)
    or eax, 3
    .endif
    EXPECT eax, CONFORMING+3
    EXPECT ebx, (OFFSET stack3_top-8)
    jmp 2f                          # the same by JMP, for which conforming is the only inward way
1:  jmp GATE_CONFORMING:0
2:  RING3 1b
    EXPECT [exc_vector], 0x30

    # A 16-bit gate copies words and pushes words.
    jmp 2f
1:  pushw 0x1111
    pushw 0x2222
    call GATE16:0
3:  int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    movzx eax, word ptr [seen]
    mov ecx, OFFSET 3b
    and ecx, 0xffff
    EXPECT eax, ecx
    EXPECT [seen + 4], 0x11112222
    movzx eax, word ptr [seen + 2]
    EXPECT eax, CODE3
    EXPECT [seen + 12], (OFFSET stack0_irq_top-12)

    # Refusals.
    FAULTS3 13, (GATE0), call GATE0:0
    FAULTS3 13, (GATE0), call (GATE0+3):0
    FAULTS3 13, CODE0, jmp GATE3:0  # JMP may not go inward: the code segment is refused
    FAULTS3 11, (GATE_ABSENT-3), call GATE_ABSENT:0
    FAULTS3 13, DATA0, call GATE_BAD:0
    FAULTS 13, CODE3-3, call CODE3:0

    # The TSS's stack is read at each switch.
    mov dword ptr [tss + 4], OFFSET stack0_irq_top - 0x400
    jmp 2f
1:  call GATE3:0
    int 0x30
2:  RING3 1b
    EXPECT [seen + 28], (OFFSET stack0_irq_top-0x400-28)
    mov dword ptr [tss + 4], OFFSET stack0_irq_top
    ret

inner:
    push eax
    mov eax, [esp + 4]
    mov ss:[seen], eax
    mov eax, [esp + 8]
    mov ss:[seen + 4], eax
    mov eax, [esp + 12]
    mov ss:[seen + 8], eax
    mov eax, [esp + 16]
    mov ss:[seen + 12], eax
    mov eax, [esp + 20]
    mov ss:[seen + 16], eax
    mov eax, [esp + 24]
    mov ss:[seen + 20], eax
    mov eax, [esp + 28]
    mov ss:[seen + 24], eax
    lea eax, [esp + 4]
    mov ss:[seen + 28], eax
    mov eax, cs
    mov ss:[seen + 32], eax
    mov eax, ss
    mov ss:[seen + 36], eax
    pop eax
    retf 12

conforming:
    mov eax, cs
    mov ebx, esp
    mov ecx, [esp + 4]
    cmp ecx, CODE3
    jne 1f
    retf
1:  int 0x30

inner16:
    mov eax, [esp]
    mov ss:[seen], eax
    mov eax, [esp + 4]
    mov ss:[seen + 4], eax
    mov ss:[seen + 12], esp
    int 0x30

    .section .bss
    .balign 4
seen: .skip 64
