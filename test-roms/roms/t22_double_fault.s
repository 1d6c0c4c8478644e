#! title = "Double faults: which pairs make one, through a gate and through a task gate"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 22. SDM volume 3A, 6.15 (#DF) and its table: contributory during contributory, page fault or contributory during a
# page fault; a fault during a benign one is handled as itself.
    .include "pm.inc"
    .include "paging.inc"
    .set DF_TSS, SPARE
    .set ABSENT_CODE, SPARE + 8

main:
    call paging_on
    DESC ABSENT_CODE, 0, 0xfffff, 0x1a, 0xc0

    # #GP whose gate leads to an absent segment (#NP): contributory twice.
    GATE 13, 0x1000, 0x8e, ABSENT_CODE
    ARM 1f
    mov eax, 0x8000
    mov ds, eax
1:  DISARM
    EXPECT [exc_vector], 8
    EXPECT [exc_error], 0
    # #DE whose gate is absent: the same.
    GATE 0, 0x1000, 0x0e
    ARM 1f
    xor ecx, ecx
    div ecx
1:  DISARM
    EXPECT [exc_vector], 8
    GATE 0, vector_stubs
    # #UD (benign) whose gate is absent: #NP, with EXT set.
    GATE 6, 0x1000, 0x0e
    ARM 1f
    ud2
1:  DISARM
    EXPECT [exc_vector], 11
    .ifndef QEMU                    # (QEMU sets EXT for interrupts only)
    EXPECT [exc_error], 6*8+3
    .endif
    GATE 6, (vector_stubs+6*16)
    # INT n (benign) to an absent gate: #NP without EXT.
    GATE 0x25, 0x1000, 0x0e
    FAULTS 11, 0x25*8+2, int 0x25
    GATE 13, (vector_stubs+13*16)
    # #PF whose gate is absent: page fault, then contributory.
    GATE 14, 0x1000, 0x0e
    ARM 1f
    mov al, [WINDOW + 0x111]
1:  DISARM
    EXPECT [exc_vector], 8
    mov eax, cr2
    EXPECT eax, WINDOW+0x111
    GATE 14, (vector_stubs+14*16)
    # An IDT whose entry 13 begins a page that is absent: the delivery of #GP faults, and so does that of the #PF.
    cld
    MAP 1, idt_copy, P+W
    MAP 2, (idt_copy+0x1000), P+W
    FLUSH
    mov esi, OFFSET idt
    mov edi, WINDOW + 0x2000 - 13 * 8
    mov ecx, 512
    rep movsd
    mov word ptr [far_idt], 0x7ff
    mov dword ptr [far_idt + 2], WINDOW + 0x2000 - 13 * 8
    lidt [far_idt]
    MAP 2, idt_copy, 0
    invlpg [WINDOW + 0x2000]
    # #PF during #GP is delivered as #PF; entry 14 is unreadable too: page fault twice, #DF by entry 8.
    ARM 1f
    mov eax, 0x8000
    mov ds, eax
1:  DISARM
    EXPECT [exc_vector], 8
    EXPECT [exc_error], 0
    mov eax, cr2                    # the first byte of entry 14
    EXPECT eax, (WINDOW+0x2008)
    lidt [idt_pointer]

    # The same by a task gate: the handler starts with its own registers and stack; the old task's state is in its TSS.
    mov edi, OFFSET df_tss
    mov ecx, 26
    xor eax, eax
    rep stosd
    mov eax, cr3
    mov [df_tss + 28], eax
    mov dword ptr [df_tss + 32], OFFSET df_task
    mov dword ptr [df_tss + 36], 2
    mov dword ptr [df_tss + 56], OFFSET stack3_top
    mov dword ptr [df_tss + 72], DATA0
    mov dword ptr [df_tss + 76], CODE0
    mov dword ptr [df_tss + 80], DATA0
    mov dword ptr [df_tss + 84], DATA0
    mov dword ptr [df_tss + 88], DATA0
    mov dword ptr [df_tss + 92], DATA0
    DESC DF_TSS, df_tss, 103, 0x89, 0
    GATE 8, 0, 0x85, DF_TSS
    GATE 13, 0x1000, 0x8e, ABSENT_CODE
    mov ebx, 0xb0b0b0b0
    mov [saved_esp], esp
    mov eax, 0x8000
2:  mov ds, eax
    FAIL
df_back:
    mov esp, [saved_esp]
    EXPECT [saved_eip], (OFFSET 2b)
    EXPECT [saved_ebx], 0xb0b0b0b0
    EXPECT [df_error], 0
    str eax
    EXPECT eax, DF_TSS
    EXPECT [df_link], TSS0
    EXPECT [df_flags], 0x4002       # NT is set in the new task
    ret

df_task:
    pop dword ptr [df_error]
    pushfd
    pop dword ptr [df_flags]
    movzx eax, word ptr [df_tss]
    mov [df_link], eax
    mov eax, [tss + 32]
    mov [saved_eip], eax
    mov eax, [tss + 52]
    mov [saved_ebx], eax
    mov eax, cr0
    test eax, 8                     # every task switch sets TS
    jnz df_back
    FAIL

    .section .bss
    .balign 4096
idt_copy: .skip 8192
df_tss: .skip 104
far_idt: .skip 8
saved_esp: .skip 4
saved_eip: .skip 4
saved_ebx: .skip 4
df_error: .skip 4
df_link: .skip 4
df_flags: .skip 4
