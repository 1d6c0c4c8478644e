#! title = "TF: a trap after each instruction; POPF, IRET, REP, MOV SS, INT n, faults"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 28, 26. SDM volume 3A, 17.3.1.4 (single-step trap), 6.8.3 (masking when switching stacks), 17.2 (DR6.BS).
    .include "pm.inc"

# Starts counting: the handler notes where each trap came; the POPF that sets TF is not followed by a trap of its own.
.macro STEP_ON
    mov dword ptr [step_count], 0
    pushfd
    or dword ptr [esp], 0x100
    popfd
.endm
.macro STEP_OFF
    pushfd
    and dword ptr [esp], ~0x100
    popfd
.endm
# The nth trap (from 0) came before the instruction at `label`.
.macro STEP_AT n, label
    EXPECT [steps + \n*4], (OFFSET \label)
.endm

main:
    GATE 1, step_handler
    xor eax, eax
    mov dr6, eax

    # The instruction after the POPF is the first that traps. STEP_OFF is three instructions and all of them trap: TF as it
    # was when an instruction began decides.
    xor eax, eax
    STEP_ON
11: inc eax
12: inc eax
13: nop
14: STEP_OFF
15: nop
    EXPECT eax, 2
    STEP_AT 0, 12b
    STEP_AT 1, 13b
    STEP_AT 2, 14b
    EXPECT [step_count], 6          # INC, INC, NOP, PUSHF, AND, POPF
    STEP_AT 5, 15b
    mov eax, dr6
    and eax, 0x4000
    EXPECT eax, 0x4000
    # The flags pushed by the trap have TF set; those that PUSHF shows too.
    mov eax, [step_flags]
    and eax, 0x100
    EXPECT eax, 0x100

    # A jump, a call, a return, a loop: each traps once, at its target.
    mov ecx, 3
    STEP_ON
    jmp 21f
    ud2
21: call 22f
23: loop 23b
24: nop
    STEP_OFF
    jmp 25f
22: ret
25: STEP_AT 0, 21b
    STEP_AT 1, 22b
    STEP_AT 2, 23b
    STEP_AT 3, 23b                  # LOOP taken
    STEP_AT 4, 23b
    STEP_AT 5, 24b                  # and not taken
    EXPECT [step_count], 10

    # REP: after each iteration, with EIP at the instruction until the last.
    mov edi, OFFSET scratch
    mov ecx, 4
    mov al, 0x11
    STEP_ON
31: rep stosb
32: nop
    STEP_OFF
    STEP_AT 0, 31b
    STEP_AT 1, 31b
    STEP_AT 2, 31b
    STEP_AT 3, 32b
    EXPECT [step_count], 8
    # With a count of zero once.
    xor ecx, ecx
    STEP_ON
    rep stosb
33: nop
    STEP_OFF
    STEP_AT 0, 33b
    EXPECT [step_count], 5

    # MOV SS and POP SS hold the trap back over the next instruction.
    mov ebx, ss
    STEP_ON
    mov ss, ebx
    nop
41: nop
    STEP_OFF
    STEP_AT 0, 41b
    EXPECT [step_count], 5
    push ss
    STEP_ON
    pop ss
    nop
42: nop
    STEP_OFF
    STEP_AT 0, 42b
    EXPECT [step_count], 5
    # MOV to another segment register does not.
    STEP_ON
    mov es, ebx
43: nop
    STEP_OFF
    STEP_AT 0, 43b

    # INT n clears TF: nothing in the handler traps, nothing after INT itself; the IRET's flags set it again, and the
    # first trap comes after the instruction that follows.
    GATE 0x21, quiet_handler
    STEP_ON
    int 0x21
51: nop
52: nop
    STEP_OFF
    STEP_AT 0, 52b
    EXPECT [step_count], 5

    # IRET that sets TF: the next instruction runs, then the trap.
    mov dword ptr [step_count], 0
    pushd 0x102
    push cs
    pushd OFFSET 61f
    iretd
61: nop
62: nop
    STEP_OFF
    STEP_AT 0, 62b
    EXPECT [step_count], 5

    # A fault comes instead of the trap; the handler runs with TF clear.
    mov dword ptr [step_count], 0
    ARM 71f
    STEP_ON
    ud2
71: DISARM
    EXPECT [exc_vector], 6
    EXPECT [step_count], 0
    mov eax, [exc_eflags]
    and eax, 0x100
    EXPECT eax, 0x100

    # CPUID, IN, PUSHF and other instructions that leave translated code step like any other.
    STEP_ON
    cpuid
81: in al, 0x61
82: pushfd
83: pop eax
84: mov ecx, cr0
85: nop
    STEP_OFF
    STEP_AT 0, 81b
    STEP_AT 1, 82b
    STEP_AT 2, 83b
    STEP_AT 3, 84b
    STEP_AT 4, 85b
    EXPECT [step_count], 9
    and eax, 0x100
    EXPECT eax, 0x100

    # In ring 3.
    mov dword ptr [step_count], 0
    jmp 92f
91: inc eax
93: inc eax
94: int 0x30
92: xor eax, eax
    RING3 91b, 0x102
    EXPECT eax, 2
    STEP_AT 0, 93b
    STEP_AT 1, 94b
    EXPECT [step_count], 2
    ret

step_handler:
    push eax
    push ebx
    mov eax, [esp + 8]
    mov ebx, ss:[step_count]
    and ebx, 31
    mov ss:[steps + ebx * 4], eax
    test ebx, ebx
    jnz 1f
    mov eax, [esp + 16]
    mov ss:[step_flags], eax        # of the first trap
1:
    inc dword ptr ss:[step_count]
    pop ebx
    pop eax
    iretd

quiet_handler:
    nop
    nop
    iretd

    .section .bss
    .balign 4
step_count: .skip 4
step_flags: .skip 4
steps: .skip 32 * 4
scratch: .skip 16
