#! title = "Call gates and conforming segments: every refusal, inner stacks that are bad, 31 parameters, three rings, LDT gates"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 19. SDM volume 3A, 5.8.1 to 5.8.6; volume 2, CALL, JMP, RET. A lazy machine checks the gate and forgets the target, or
# commits the new stack before it has been checked.
    .include "pm.inc"
    .include "paging.inc"
    .set CODE1, SPARE + 1
    .set DATA1, SPARE + 8 + 1
    .set GATE_IN, SPARE + 0x10 + 3  # ring 3 to ring 0
    .set GATE_TO1, SPARE + 0x18 + 3 # ring 3 to ring 1
    .set GATE_1TO0, SPARE + 0x20 + 1
    .set ABSENT, SPARE + 0x28
    .set CONF1, SPARE + 0x30        # conforming, DPL 1
    .set GATE31, SPARE + 0x38 + 3
    .set LDT, SPARE + 0x40
    .set BAD_GATE, SPARE + 0x48 + 3
    .set SMALL, SPARE + 0x50

.macro CALL_GATE selector, target, offset, count, type, table=gdt
    mov eax, OFFSET \offset
    mov [\table + (\selector & 0xfff8)], ax
    mov word ptr [\table + (\selector & 0xfff8) + 2], \target
    mov byte ptr [\table + (\selector & 0xfff8) + 4], \count
    mov byte ptr [\table + (\selector & 0xfff8) + 5], \type
    shr eax, 16
    mov [\table + (\selector & 0xfff8) + 6], ax
.endm
# From ring 3 the instruction is refused, ESP and SS as they were.
.macro REFUSED vector, error, insn:vararg
    jmp 777f
778: \insn
    int 0x30
777: RING3 778b
    EXPECT [exc_vector], \vector
    EXPECT [exc_error], \error
    EXPECT [exc_eip], (OFFSET 778b)
    EXPECT [exc_cs], CODE3
    EXPECT [exc_esp], (OFFSET stack3_top)
    EXPECT [exc_ss], DATA3
.endm

main:
    call paging_on
    DESC CODE1, 0, 0xfffff, 0xba, 0xc0
    DESC DATA1, 0, 0xfffff, 0xb2, 0xc0
    DESC ABSENT, 0, 0xfffff, 0x1a, 0xc0
    DESC CONF1, 0, 0xfffff, 0xbe, 0xc0
    DESC SMALL, inner_stack, 0xff, 0xb2, 0x40
    DESC LDT, ldt, 15, 0x82, 0
    CALL_GATE GATE_IN, CODE0, in0, 0, 0xec
    CALL_GATE GATE_TO1, CODE1, in1, 2, 0xec
    CALL_GATE GATE_1TO0, CODE0, in0, 0, 0xac
    CALL_GATE GATE31, CODE0, in31, 31, 0xec
    CALL_GATE 8, CODE0, in0, 0, 0xec, ldt
    mov eax, LDT
    lldt ax
    mov dword ptr [rounds], 12
again:
    mov dword ptr [tss + 4], OFFSET stack0_irq_top
    mov dword ptr [tss + 12], OFFSET inner_stack + 0x800
    mov dword ptr [tss + 16], DATA1
    # Three rings: 3 to 1 with two parameters, 1 to 0, and back by RETF.
    mov dword ptr [seen], 0
    jmp 2f
1:  push 0x11
    push 0x22
    call GATE_TO1:0
    mov ecx, esp
    mov edx, cs
    mov eax, ds                     # DATA3 survives
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT edx, CODE3
    EXPECT ecx, (OFFSET stack3_top)
    EXPECT eax, DATA3
    EXPECT [seen], CODE1
    EXPECT [seen + 4], DATA1
    EXPECT [seen + 8], 0x22         # parameters, then the caller's ESP and SS
    EXPECT [seen + 12], 0x11
    EXPECT [seen + 16], (OFFSET stack3_top-8)
    EXPECT [seen + 20], DATA3
    EXPECT [seen + 24], CODE0       # ring 0 by its own gate
    EXPECT [seen + 28], CODE1       # its return address
    # 31 parameters.
    jmp 2f
1:  mov ecx, 31
3:  push ecx
    loop 3b
    call GATE31:0
    mov ecx, esp
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT eax, 496                 # 1 + ... + 31
    EXPECT ebx, 31                  # in their order
    EXPECT ecx, (OFFSET stack3_top)
    # A gate in the LDT.
    jmp 2f
1:  call 15:0
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30

    # The gate itself: DPL against CPL and RPL, present, beyond the table.
    REFUSED 13, (GATE_1TO0 & ~3), call GATE_1TO0:0
    CALL_GATE BAD_GATE, CODE0, in0, 0, 0x8c
    REFUSED 13, (BAD_GATE-3), call (BAD_GATE-3):0
    CALL_GATE BAD_GATE, CODE0, in0, 0, 0x6c
    REFUSED 11, (BAD_GATE-3), call BAD_GATE:0
    CALL_GATE BAD_GATE, CODE0, in0, 0, 0x0c     # DPL before presence
    REFUSED 13, (BAD_GATE-3), call BAD_GATE:0
    CALL_GATE BAD_GATE, CODE0, in0, 0, 0xee     # an interrupt gate is none
    REFUSED 13, (BAD_GATE-3), call BAD_GATE:0
    # Its target: null, data, absent, beyond, an outer ring.
    CALL_GATE BAD_GATE, 0, in0, 0, 0xec
    REFUSED 13, 0, call BAD_GATE:0
    CALL_GATE BAD_GATE, DATA0, in0, 0, 0xec
    REFUSED 13, DATA0, call BAD_GATE:0
    CALL_GATE BAD_GATE, ABSENT, in0, 0, 0xec
    REFUSED 11, ABSENT, call BAD_GATE:0
    CALL_GATE BAD_GATE, 0x8000, in0, 0, 0xec
    REFUSED 13, 0x8000, call BAD_GATE:0
    CALL_GATE BAD_GATE, (CODE3-3), in0, 0, 0xec
    FAULTS 13, (CODE3-3), call BAD_GATE:0       # from ring 0 outwards
    # JMP changes no ring but into conforming code keeps it.
    REFUSED 13, CODE0, jmp GATE_IN:0
    REFUSED 13, CODE0, jmp CODE0:0
    REFUSED 13, CODE0, call CODE0:0
    REFUSED 13, (CODE1-1), jmp CODE1:0
    jmp 2f
1:  jmp CONF1:OFFSET 3f
3:  mov eax, cs
    mov ecx, ss
    jmp CODE3:OFFSET 4f
4:  int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    .ifndef QEMU                    # (QEMU shows the target's DPL in CS)
    EXPECT eax, CONF1+3
    .endif
    EXPECT ecx, DATA3
    FAULTS 13, CONF1, jmp CONF1:0   # conforming, but of an outer ring

    # The inner stack that the TSS names. All of it at the CALL, in ring 3. For ring 1, so that faults have ring 0's.
    mov dword ptr [tss + 16], 1
    REFUSED 10, 0, call GATE_TO1:0              # null
    mov dword ptr [tss + 16], 0x8001
    REFUSED 10, 0x8000, call GATE_TO1:0
    mov dword ptr [tss + 16], DATA0
    REFUSED 10, DATA0, call GATE_TO1:0          # RPL and DPL 0
    mov dword ptr [tss + 16], DATA3
    REFUSED 10, (DATA3-3), call GATE_TO1:0
    mov dword ptr [tss + 16], CODE1
    REFUSED 10, (CODE1-1), call GATE_TO1:0      # code
    .ifndef QEMU                    # (QEMU says #TS)
    and byte ptr [gdt + (DATA1 & 0xfff8) + 5], 0x7f
    mov dword ptr [tss + 16], DATA1
    REFUSED 12, (DATA1-1), call GATE_TO1:0      # absent
    or byte ptr [gdt + (DATA1 & 0xfff8) + 5], 0x80
    mov dword ptr [tss + 16], SMALL + 1         # too small for six dwords
    mov dword ptr [tss + 12], 20
    REFUSED 12, SMALL, call GATE_TO1:0
    mov dword ptr [tss + 12], 0x104
    REFUSED 12, SMALL, call GATE_TO1:0
    .endif
    mov dword ptr [tss + 16], DATA1
    mov dword ptr [tss + 12], WINDOW + 0x5004   # not mapped below 5000h
    MAP 5, page, P+W
    MAP 4, page, 0
    FLUSH
    mov dword ptr [page], 0x3c3c3c3c
    REFUSED 14, 2, call GATE_TO1:0
    EXPECT [exc_cr2], WINDOW+0x4ffc
    .ifndef QEMU                    # (QEMU writes as it goes)
    EXPECT [page], 0x3c3c3c3c
    .endif
    # The parameters are read with the caller's rights.
    mov dword ptr [tss + 12], OFFSET inner_stack + 0x800
    jmp 2f
1:  mov esp, WINDOW + 0x4ffc
3:  call GATE_TO1:0
2:  RING3 1b
    EXPECT [exc_vector], 14
    EXPECT [exc_eip], (OFFSET 3b)
    EXPECT [exc_esp], WINDOW+0x4ffc
    dec dword ptr [rounds]
    jnz again
    ret

in0:
    mov eax, cs
    mov ss:[seen + 24], eax
    mov eax, [esp + 4]
    mov ss:[seen + 28], eax
    retf
in1:
    mov eax, cs
    mov ss:[seen], eax
    mov eax, ss
    mov ss:[seen + 4], eax
    mov eax, [esp + 8]
    mov ss:[seen + 8], eax
    mov eax, [esp + 12]
    mov ss:[seen + 12], eax
    mov eax, [esp + 16]
    mov ss:[seen + 16], eax
    mov eax, [esp + 20]
    mov ss:[seen + 20], eax
    call GATE_1TO0:0
    retf 8
in31:
    xor eax, eax
    mov ecx, 31
1:  add eax, [esp + ecx * 4 + 4]
    loop 1b
    mov ebx, [esp + 31 * 4 + 4]
    retf 124

    .section .bss
    .balign 4096
page: .skip 4096
inner_stack: .skip 0x1000
ldt: .skip 16
seen: .skip 32
rounds: .skip 4
