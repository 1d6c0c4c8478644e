#! title = "Expand-down segments: both ends, both sizes, as data and as stacks; the limit is the first forbidden part"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 9. SDM volume 3A, 3.4.5.1 and 5.3: valid offsets are limit + 1 to FFFFFFFFh (B set) or FFFFh (B clear). A lazy
# translator compares with the limit from above, or forgets B. QEMU checks no limits.
    .include "pm.inc"
    .set S, SPARE

.macro DATA base, limit, access, flags
    DESC S, \base, \limit, \access, \flags
    mov eax, S
    mov gs, eax
.endm
.macro OUTSIDE insn:vararg
    FAULTS 13, 0, \insn
    push S                          # (the recorder loaded its own)
    pop gs
.endm
# At CPL 3 with SS = S: the instruction raises #SS(0) with ESP unchanged, or works and leaves ESP at `after`.
.macro ON_STACK esp, insn:vararg
    ARM 779f
    pushd S+3
    pushd \esp
    pushd 2
    pushd CODE3
    pushd OFFSET 778f
    iretd
778: \insn
    int 0x30
779: DISARM
.endm
.macro STACK_REFUSES esp, insn:vararg
    ON_STACK \esp, \insn
    EXPECT [exc_vector], 12
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 778b)
    EXPECT [exc_esp], \esp
.endm
.macro STACK16_REFUSES esp, insn:vararg
    ON_STACK \esp, \insn
    EXPECT [exc_vector], 12
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 778b)
    movzx edx, word ptr [exc_esp]
    EXPECT edx, \esp
.endm
.macro STACK_TAKES esp, after, insn:vararg
    ON_STACK \esp, \insn
    EXPECT [exc_vector], 0x30
    EXPECT [exc_esp], \after
.endm

main:
    .ifndef QEMU
    mov dword ptr [rounds], 20
again:
    # B set: offsets 1000h .. FFFFFFFFh.
    DATA buffer, 0xfff, 0x96, 0x40
    OUTSIDE mov al, gs:[0]
    OUTSIDE mov al, gs:[0xfff]
    OUTSIDE mov ax, gs:[0xfff]
    OUTSIDE mov eax, gs:[0xffd]
    OUTSIDE mov gs:[0xfff], al
    OUTSIDE add dword ptr gs:[0xffe], 1
    mov dword ptr gs:[0x1000], 0x600df00d
    EXPECT [buffer + 0x1000], 0x600df00d
    mov ebx, 0x1000
    mov al, gs:[ebx]
    dec ebx
    OUTSIDE mov al, gs:[ebx]
    inc dword ptr gs:[0x1000]
    EXPECT [buffer + 0x1000], 0x600df00e
    # Above 64 KiB, below 4 GiB: the offset wraps the base round to what lies before it.
    mov edx, OFFSET buffer
    neg edx
    mov eax, gs:[edx + OFFSET buffer + 0x2000]      # (offset 2000h)
    mov ecx, 0xfffffffc             # base - 4
    mov dword ptr [buffer - 4], 0xbe4e
    EXPECT "dword ptr gs:[ecx]", 0xbe4e
    mov esi, 0xfff
    OUTSIDE lods byte ptr gs:[esi]
    EXPECT esi, 0xfff

    # B clear: limit + 1 .. FFFFh; FFFFh is the last byte whatever the addressing.
    DATA buffer, 0xfff, 0x96, 0
    mov al, gs:[0x1000]
    mov al, gs:[0xffff]
    mov ax, gs:[0xfffe]
    mov eax, gs:[0xfffc]
    OUTSIDE mov al, gs:[0xfff]
    OUTSIDE mov ax, gs:[0xffff]
    OUTSIDE mov eax, gs:[0xfffd]
    OUTSIDE mov al, gs:[0x10000]
    OUTSIDE mov al, gs:[0xffffffff]
    # In pages: a limit of 1 forbids 0 .. 1FFFh.
    DATA buffer, 1, 0x96, 0xc0
    OUTSIDE mov al, gs:[0x1fff]
    mov al, gs:[0x2000]
    # The whole is forbidden when the limit is the top.
    DATA buffer, 0xffff, 0x96, 0
    OUTSIDE mov al, gs:[0xffff]
    OUTSIDE mov al, gs:[0]
    # Read-only and expand-down.
    DATA buffer, 0xfff, 0x94, 0x40
    mov al, gs:[0x1000]
    OUTSIDE mov gs:[0x1000], al
    # LSL gives the limit as it stands.
    mov eax, S
    lsl ecx, eax
    EXPECT ecx, 0xfff

    # Stacks that grow down to their limit: 32-bit.
    DESC S, buffer, 0xfff, 0xf6, 0x40
    STACK_TAKES 0x1004, 0x1000, push eax
    STACK_REFUSES 0x1003, push eax
    STACK_REFUSES 0x1000, push eax
    STACK_TAKES 0x1002, 0x1000, push ax
    STACK_REFUSES 0x1001, push ax
    STACK_REFUSES 0x1010, pushad
    STACK_TAKES 0x1020, 0x1000, pushad
    STACK_REFUSES 0xffc, pop eax
    STACK_TAKES 0x1000, 0x1004, pop eax
    STACK_REFUSES 0x1002, call main
    STACK_REFUSES 0x1008, enter 4, 1
    STACK_REFUSES 0x1100, mov al, ss:[0xfff]
    STACK_REFUSES 0x1100, mov eax, [esp - 0x101]
    mov ebp, 0xffe
    STACK_REFUSES 0x1100, mov eax, [ebp]
    STACK_TAKES 0x1100, 0x1100, mov eax, [ebp + 2]
    # 16-bit: SP counts, and 0 is the other end.
    DESC S, buffer, 0xfff, 0xf6, 0
    ON_STACK 0x1004, push eax
    EXPECT [exc_vector], 0x30
    movzx eax, word ptr [exc_esp]   # (IRET loads SP only: the upper half is ring 0's)
    EXPECT eax, 0x1000
    STACK16_REFUSES 0x1002, push eax
    ON_STACK 0, push eax
    EXPECT [exc_vector], 0x30
    movzx eax, word ptr [exc_esp]
    EXPECT eax, 0xfffc
    STACK16_REFUSES 2, push eax       # FFFEh .. 10001h
    STACK16_REFUSES 0xfffe, pop eax
    ON_STACK 0xfffc, pop eax
    EXPECT [exc_vector], 0x30
    movzx eax, word ptr [exc_esp]
    EXPECT eax, 0
    dec dword ptr [rounds]
    jnz again
    .endif
    ret

    .section .bss
    .balign 16
    .skip 16
buffer: .skip 0x10010
rounds: .skip 4
