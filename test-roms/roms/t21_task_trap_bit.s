#! title = "The T bit of a TSS: #DB in the new task after JMP, CALL, INT and IRET, DR6.BT, before its first instruction"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 21. SDM volume 3A, 7.2.1; volume 3B, 17.3.1.5. QEMU leaves T out.
    .include "pm.inc"
    .set TSS_B, SPARE

# After an event in task B: it must be the trap, with B's EIP and TR; then back to TSS0.
.macro IS_TRAP eip
    DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET \eip)
    EXPECT [count], 0               # the first instruction has not run
    mov eax, dr6
    and eax, 0xe00f
    EXPECT eax, 0x8000
    str eax
    EXPECT eax, TSS_B
    call back
.endm
.macro FRESH entry, t
    mov edi, OFFSET tss_b
    xor eax, eax
    mov ecx, 26
    cld
    rep stosd
    mov dword ptr [tss_b + 32], OFFSET \entry
    mov dword ptr [tss_b + 36], 2
    mov dword ptr [tss_b + 56], OFFSET stack3_top
    mov dword ptr [tss_b + 72], DATA0
    mov dword ptr [tss_b + 76], CODE0
    mov dword ptr [tss_b + 80], DATA0
    mov dword ptr [tss_b + 84], DATA0
    mov dword ptr [tss_b + 88], DATA0
    mov dword ptr [tss_b + 92], DATA0
    mov dword ptr [tss_b + 100], (104 << 16) + \t
    DESC TSS_B, tss_b, 103, 0x89, 0
    xor eax, eax
    mov dr6, eax
    mov [count], eax
.endm

back:
    and byte ptr [gdt + TSS0 + 5], 0xfd
    mov eax, TSS0
    ltr ax
    clts
    pushd 2
    popfd
    ret

main:
    .ifndef QEMU
    mov dword ptr [rounds], 20
again:
    FRESH task, 1
    ARM 1f
    call TSS_B:0
1:  IS_TRAP task
    FRESH task, 1
    ARM 1f
    jmp TSS_B:0
1:  IS_TRAP task
    GATE 0x25, 0, 0x85, TSS_B
    FRESH task, 1
    ARM 1f
    int 0x25
1:  IS_TRAP task
    # IRET back into a task with T: the trap comes where it goes on. Here TSS0 is the old task, its T set meanwhile.
    FRESH task, 0
    or byte ptr [tss + 100], 1
    ARM 1f
    call TSS_B:0
2:  nop
    FAIL
1:  DISARM
    and byte ptr [tss + 100], 0xfe
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 2b)
    EXPECT [count], 1
    mov eax, dr6
    and eax, 0xe00f
    EXPECT eax, 0x8000
    str eax
    EXPECT eax, TSS0
    clts
    # Without T there is none, and DR6 stays.
    FRESH task, 0
    call TSS_B:0
    clts
    EXPECT [count], 1
    mov eax, dr6
    and eax, 0xe00f
    EXPECT eax, 0
    # A task switch clears the local enables of DR7 and leaves the global ones.
    mov eax, 0x303                  # L0, G0, LE, GE: on an address that nobody touches
    mov ecx, 0xdead0000
    mov dr0, ecx
    mov dr7, eax
    FRESH task, 0
    call TSS_B:0
    clts
    mov eax, dr7
    mov ecx, 0
    mov dr7, ecx
    EXPECT eax, 0x602
    dec dword ptr [rounds]
    jnz again
    .endif
    ret

task:
    inc dword ptr [count]
    iretd

    .section .bss
    .balign 4
tss_b: .skip 104
count: .skip 4
rounds: .skip 4
