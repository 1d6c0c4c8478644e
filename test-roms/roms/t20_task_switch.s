#! title = "Task switches by JMP, CALL, IRET and task gates: the TSS, NT, the back link, the busy bit, T, faults"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 20, 12. SDM volume 3A, chapter 7.
    .include "pm.inc"
    .set TSS_B, SPARE
    .set TASK_GATE, SPARE + 8 + 3
    .set LDT_B, SPARE + 0x10

.macro FRESH_TASK entry
    mov eax, OFFSET \entry
    call fresh_task
.endm

# 1 if the TSS of `selector` is busy.
.macro BUSY selector, want
    movzx eax, byte ptr [gdt + \selector + 5]
    and eax, 2
    EXPECT eax, \want*2
.endm

fresh_task:
    push edi
    push eax
    mov edi, OFFSET tss_b
    mov ecx, 26
    xor eax, eax
    rep stosd
    pop eax
    mov [tss_b + 32], eax
    mov dword ptr [tss_b + 36], 0x2
    mov dword ptr [tss_b + 40], 0xaaaa0000
    mov dword ptr [tss_b + 44], 0xcccc0001
    mov dword ptr [tss_b + 48], 0xdddd0002
    mov dword ptr [tss_b + 52], 0xbbbb0003
    mov dword ptr [tss_b + 56], OFFSET stack3_top
    mov dword ptr [tss_b + 60], 0xbebe0005
    mov dword ptr [tss_b + 64], 0x51510006
    mov dword ptr [tss_b + 68], 0xd1d10007
    mov dword ptr [tss_b + 72], DATA0
    mov dword ptr [tss_b + 76], CODE0
    mov dword ptr [tss_b + 80], DATA0
    mov dword ptr [tss_b + 84], DATA0
    mov dword ptr [tss_b + 88], DATA0
    mov dword ptr [tss_b + 92], DATA0
    mov dword ptr [tss_b + 100], 104 << 16
    mov dword ptr [tss_b + 96], LDT_B
    DESC TSS_B, tss_b, 103, 0x89, 0
    pop edi
    ret

main:
    DESC LDT_B, ldt_b, 7, 0x82, 0
    mov word ptr [gdt + 0x38 + 2], TSS_B
    mov byte ptr [gdt + 0x38 + 5], 0xe5     # the task gate, DPL 3

    # CALL: nested; IRET comes back.
    BUSY TSS0, 1
    FRESH_TASK task_called
    mov ebx, 0x1234
    mov ecx, 5
    stc
    jmp 1f
1:  call TSS_B:0
    setc al
    movzx eax, al
    EXPECT eax, 1
    EXPECT ebx, 0x1234
    EXPECT ecx, 5
    EXPECT [in_task], 0xbbbb0003
    EXPECT [in_task + 4], TSS_B
    EXPECT [in_task + 8], 0x4002
    EXPECT [in_task + 12], TSS0             # the back link
    EXPECT [in_task + 16], 0x0202           # busy: this one and that one
    EXPECT [in_task + 20], LDT_B
    EXPECT [in_task + 24], (OFFSET stack3_top)
    BUSY TSS0, 1
    BUSY TSS_B, 0
    str eax
    EXPECT eax, TSS0
    mov eax, cr0
    and eax, 8
    EXPECT eax, 8
    clts
    # IRET stored the other task's state where it stopped: the next CALL goes on behind its IRET.
    EXPECT [tss_b + 32], (OFFSET behind_iret)
    EXPECT [tss_b + 40], 0x77
    mov eax, [tss_b + 36]
    and eax, 0x4000
    EXPECT eax, 0                           # NT cleared in what IRET saved
    mov dword ptr [in_task], 0
    call TSS_B:0
    EXPECT [in_task], 0x2222
    clts

    # JMP: not nested, the old one no longer busy.
    FRESH_TASK task_jumped
    jmp TSS_B:0
                                            # (here by the JMP of task_jumped)
    EXPECT [in_task], 2                     # EFLAGS without NT
    EXPECT [in_task + 4], 0x0200            # only the new one busy
    BUSY TSS0, 1
    BUSY TSS_B, 0
    clts

    # INT through a task gate; from ring 3 too, then IRET goes back to ring 3.
    GATE 0x21, 0, 0xe5, TSS_B
    FRESH_TASK task_called
    int 0x21
    EXPECT [in_task + 12], TSS0
    FRESH_TASK task_called
    jmp 2f
1:  mov ecx, 0x3333
    int 0x21
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT ecx, 0x3333
    clts
    # CALL through a task gate in the GDT, from ring 3.
    FRESH_TASK task_called
    jmp 2f
1:  call TASK_GATE:0
    mov edx, 0x4444
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT edx, 0x4444
    clts
    # The TSS itself has DPL 0.
    FAULTS3 13, TSS_B, call TSS_B:0

    # Refusals before the switch: faults of the old task, at the instruction.
    FAULTS 13, TSS0, call TSS0:0            # busy
    FRESH_TASK task_called
    and byte ptr [gdt + TSS_B + 5], 0x7f
    FAULTS 11, TSS_B, jmp TSS_B:0           # absent
    DESC TSS_B, tss_b, 102, 0x89, 0
    FAULTS 10, TSS_B, jmp TSS_B:0           # too small: #TS
    pushfd
    or dword ptr [esp], 0x4000              # IRET with NT to a TSS that is not busy
    mov word ptr [tss], TSS_B
    DESC TSS_B, tss_b, 103, 0x89, 0
    popfd
    FAULTS 10, TSS_B, iretd
    pushd 2
    popfd
    mov word ptr [tss], 0

    # Faults of the new task: an absent SS is reported in its context.
    DESC SPARE+0x20, 0, 0xfffff, 0x12, 0xc0
    FRESH_TASK task_called
    mov dword ptr [tss_b + 84], SPARE + 0x20
    ARM 1f                                  # DS absent: #NP after the switch, at the new task's first instruction
    call TSS_B:0
1:  DISARM
    EXPECT [exc_vector], 11
    EXPECT [exc_error], SPARE+0x20
    .ifndef QEMU                            # (QEMU saves the old task's EIP)
    EXPECT [exc_eip], (OFFSET task_called)
    .endif
    str eax
    EXPECT eax, TSS_B
    pushfd                                  # go back to the first task by IRET: NT is set, the link is good
    or dword ptr [esp], 0x4000
    popfd
    mov dword ptr [tss + 32], OFFSET 2f
    mov [tss + 56], esp
    iretd
2:  str eax
    EXPECT eax, TSS0
    clts

    # The T bit: #DB in the new task before its first instruction, DR6.BT set.
    xor eax, eax
    mov dr6, eax
    FRESH_TASK task_called
    or byte ptr [tss_b + 100], 1
    .ifndef QEMU                            # (QEMU leaves T out)
    ARM 1f
    call TSS_B:0
1:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET task_called)
    mov eax, dr6
    and eax, 0xe00f
    EXPECT eax, 0x8000
    .endif
    ret

task_called:
    mov [in_task], ebx
    str eax
    mov [in_task + 4], eax
    pushfd
    pop dword ptr [in_task + 8]
    movzx eax, word ptr [tss_b]
    mov [in_task + 12], eax
    mov al, [gdt + TSS0 + 5]
    mov ah, [gdt + TSS_B + 5]
    and eax, 0x0202
    mov [in_task + 16], eax
    sldt eax
    mov [in_task + 20], eax
    mov [in_task + 24], esp
    mov eax, 0x77
    iretd
behind_iret:
    mov dword ptr [in_task], 0x2222
    iretd

task_jumped:
    pushfd
    pop dword ptr [in_task]
    mov al, [gdt + TSS0 + 5]
    mov ah, [gdt + TSS_B + 5]
    and eax, 0x0202
    mov [in_task + 4], eax
    jmp TSS0:0

    .section .data
    .balign 8
ldt_b: .quad 0x00cf93000000ffff
    .section .bss
    .balign 4
tss_b: .skip 104
in_task: .skip 32
