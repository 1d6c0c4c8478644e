#! title = "PUSH, POP, CALL, ENTER, LEAVE, PUSHA, POPA, RET that fault leave no partial state"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 13, 44. SDM volume 3A, 6.6 (restart): registers, ESP, flags and memory are as before a fault.
# Works at CPL 3 with the user stack on a page whose neighbours are absent, so that #PF gets the ring-0 stack.
    .include "pm.inc"
    .include "paging.inc"
    .set LOW, WINDOW + 0x2000       # the only page of the user's stack
    .set HIGH, WINDOW + 0x3000

    .ifdef QEMU
    .set FAR_USER, 0                # (QEMU does the accesses of far transfers as supervisor)
    .set RMW, 4                     # (QEMU loads first and reports a read; processors report a write, measured)
    .else
    .set FAR_USER, 4
    .set RMW, 6
    .endif

# The instruction faults at CPL 3 with ESP = `stack`; ESP, EBP and the general registers are unchanged.
.macro STACK_FAULT stack, error, cr2, insn:vararg
    ARM 779f
    mov eax, 0xa0a0a0a0
    mov ebx, OFFSET frame           # free for the instruction
    mov ecx, LOW + 0x100
    mov edx, HIGH + 0x10
    mov esi, 0x51515151
    mov edi, 0xd1d1d1d1
    pushd DATA3
    pushd (\stack)
    pushd 0x8d7                     # all arithmetic flags set
    pushd CODE3
    pushd OFFSET 778f
    push eax
    mov eax, DATA3
    mov ds, eax
    mov es, eax
    pop eax
    iretd
778: \insn
    int 0x30
779: DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], \error
    EXPECT [exc_cr2], (\cr2)
    EXPECT [exc_eip], (OFFSET 778b)
    EXPECT [exc_esp], (\stack)
    EXPECT eax, 0xa0a0a0a0
    EXPECT ebx, (OFFSET frame)
    EXPECT ecx, LOW+0x100
    EXPECT edx, HIGH+0x10
    EXPECT esi, 0x51515151
    EXPECT edi, 0xd1d1d1d1
    mov eax, [exc_eflags]
    and eax, 0x8d5
    EXPECT eax, 0x8d5
.endm

main:
    call paging_on
    MAP 2, frame, P+W+U
    mov edi, OFFSET frame
    mov ecx, 1024
    mov eax, 0x3c3c3c3c
    rep stosd
    mov ebp, LOW + 0x800

    # Downwards over the page's lower edge.
    STACK_FAULT LOW, 6, LOW-4, push eax
    STACK_FAULT LOW, 6, LOW-4, pushfd
    STACK_FAULT LOW, 6, LOW-4, push 5
    STACK_FAULT LOW, 6, LOW-4, push dword ptr [ebx]
    STACK_FAULT LOW, 6, LOW-4, push ds
    STACK_FAULT LOW, 6, LOW-2, push ax
    STACK_FAULT LOW, 6, LOW-4, call main
    STACK_FAULT LOW, 6, LOW-4, call dword ptr [ebx]
    STACK_FAULT LOW, FAR_USER+2, LOW-4, call CODE3:0
    STACK_FAULT LOW, 6, LOW-4, enter 16, 0
    STACK_FAULT LOW+2, 6, LOW-2, push eax
    # Upwards.
    STACK_FAULT HIGH, 4, HIGH, pop eax
    STACK_FAULT HIGH, 4, HIGH, popfd
    STACK_FAULT HIGH, 4, HIGH, ret
    STACK_FAULT HIGH, 4, HIGH, ret 16
    STACK_FAULT HIGH, 4, HIGH, popad
    STACK_FAULT HIGH-4, FAR_USER, HIGH, retf
    STACK_FAULT HIGH-8, FAR_USER, HIGH, iretd
    .ifndef QEMU                    # (QEMU loads the registers one by one)
    STACK_FAULT HIGH-4, 4, HIGH, popad
    .endif
    STACK_FAULT HIGH-2, 4, HIGH, pop eax
    STACK_FAULT HIGH, 4, HIGH, pop es
    # The operand faults, the stack does not.
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, push dword ptr [edx]
    STACK_FAULT LOW+0x80, 6, HIGH+0x10, pop dword ptr [edx]
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, call dword ptr [edx]
    STACK_FAULT HIGH-4, 6, HIGH+4, pop dword ptr [esp + 4]
    EXPECT ebp, LOW+0x800
    # A chain that breaks in its middle.
    mov ebp, HIGH
    STACK_FAULT LOW+0x80, 4, HIGH, leave
    EXPECT ebp, HIGH
    mov ebp, LOW + 0x800

    # PUSHA with room for some of its eight.
    .ifndef QEMU                    # (QEMU and processors differ in what memory holds after; ESP counts)
    STACK_FAULT LOW+16, 6, LOW-4, pushad
    .endif
    # A misaligned read-modify-write over the upper edge: nothing of it is written.
    mov dword ptr [frame + 4092], 0x3c3c3c3c
    STACK_FAULT LOW+0x80, RMW, HIGH, add [edx - 0x12], esi
    EXPECT [frame + 4092], 0x3c3c3c3c
    STACK_FAULT LOW+0x80, 6, HIGH, mov [edx - 0x11], esi
    EXPECT [frame + 4092], 0x3c3c3c3c
    STACK_FAULT LOW+0x80, 6, HIGH, mov word ptr [edx - 0x11], si
    EXPECT [frame + 4092], 0x3c3c3c3c
    STACK_FAULT LOW+0x80, 6, HIGH, fstp qword ptr [edx - 0x14]
    EXPECT [frame + 4092], 0x3c3c3c3c
    STACK_FAULT LOW+0x80, RMW, HIGH, xchg [edx - 0x12], eax
    STACK_FAULT LOW+0x80, RMW, HIGH+0x10, cmpxchg [edx], esi
    STACK_FAULT LOW+0x80, RMW, HIGH+0x10, xadd [edx], esi
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, add eax, [edx]
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, imul eax, [edx], 7
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, div dword ptr [edx]
    STACK_FAULT LOW+0x80, RMW, HIGH+0x10, shl dword ptr [edx], 3
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, cmovz eax, [edx]
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, bsf eax, [edx]
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, movsx eax, byte ptr [edx]
    STACK_FAULT LOW+0x80, 4, HIGH+0x10, jmp dword ptr [edx]
    STACK_FAULT LOW+0x80, 6, HIGH+0x10, sgdt [edx]
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
