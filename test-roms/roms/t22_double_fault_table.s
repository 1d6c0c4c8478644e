#! title = "The table of double faults: every first class against every second"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 22. SDM volume 3A, 6.15 (#DF), table 6-5. First: benign, contributory (#DE, #TS, #NP, #SS, #GP), page fault. Second:
# #NP, #GP, #TS, #SS, #PF. A lazy machine delivers the second, or makes a double fault of everything. EXT is set in the error
# code of a second that is delivered, but for #PF, which has none.
    .include "pm.inc"
    .include "paging.inc"
    .set ABSENT_CODE, SPARE
    .set ABSENT_DATA, SPARE + 8
    .set DF_TSS, SPARE + 0x10
    .set ABSENT_STACK, SPARE + 0x18

# The vector's gate leads to an absent segment (#NP) or is null (#GP).
.macro BREAK_NP v
    GATE \v, 0x1000, 0x8e, ABSENT_CODE
.endm
.macro BREAK_GP v
    GATE \v, 0x1000, 0x8e, 0
.endm
.macro MEND v
    GATE \v, (vector_stubs+\v*16)
.endm
# The instruction raises `v`, whose delivery fails both ways: a double fault each time.
.macro DOUBLES v, insn:vararg
    BREAK_NP \v
    ARM 779f
    \insn
779: DISARM
    EXPECT [exc_vector], 8
    EXPECT [exc_error], 0
    BREAK_GP \v
    ARM 779f
    \insn
779: DISARM
    EXPECT [exc_vector], 8
    EXPECT [exc_error], 0
    MEND \v
.endm
# A benign first: the second is delivered as itself, with its own error code.
.macro SERIAL v, ext, insn:vararg
    BREAK_NP \v
    ARM 779f
778: \insn
779: DISARM
    EXPECT [exc_vector], 11
    .ifndef QEMU                    # (QEMU sets EXT for interrupts only)
    EXPECT [exc_error], ABSENT_CODE+\ext
    .endif
    EXPECT [exc_eip], (OFFSET 778b)
    BREAK_GP \v
    ARM 779f
778: \insn
779: DISARM
    EXPECT [exc_vector], 13
    .ifndef QEMU
    EXPECT [exc_error], \ext
    .endif
    EXPECT [exc_eip], (OFFSET 778b)
    MEND \v
.endm
.macro IDT_AT base
    mov word ptr [pointer], 0x7ff
    mov dword ptr [pointer + 2], (\base)
    lidt [pointer]
.endm

main:
    call paging_on
    mov dword ptr [rounds], 15
again:
    DESC ABSENT_CODE, 0, 0xfffff, 0x1a, 0xc0
    DESC ABSENT_DATA, 0, 0xfffff, 0x12, 0xc0
    # Contributory, then contributory.
    xor ecx, ecx
    DOUBLES 0, div ecx
    mov eax, ABSENT_DATA
    DOUBLES 11, mov gs, eax
    DOUBLES 12, mov ss, eax
    mov eax, 0x8000
    DOUBLES 13, mov gs, eax
    BREAK_NP 10                     # #TS: IRET with NT to no task
    mov word ptr [tss], 0
    pushd 0x4002
    popfd
    ARM 1f
    iretd
1:  DISARM
    pushd 2
    popfd
    EXPECT [exc_vector], 8
    EXPECT [exc_error], 0
    MEND 10
    # Page fault, then contributory.
    DOUBLES 14, mov al, [WINDOW + 0x123]
    mov eax, cr2
    EXPECT eax, WINDOW+0x123
    # Benign, then anything: #UD, #BR, #NM, INT n (no EXT), #DB by INT1.
    SERIAL 6, 1, ud2
    mov dword ptr [bounds], 1
    mov dword ptr [bounds + 4], 2
    mov eax, 9
    SERIAL 5, 1, bound eax, [bounds]
    mov eax, cr0
    or eax, 8
    mov cr0, eax
    SERIAL 7, 1, fnop
    clts
    SERIAL 3, 0, int3
    SERIAL 0x25, 0, int 0x25
    .ifndef QEMU
    SERIAL 1, 1, .byte 0xf1
    .endif

    # Anything but a page fault, then a page fault: #PF is delivered. Entries up to 13 are on an absent page.
    MAP 1, idt_low, 0
    MAP 2, idt_high, P+W
    FLUSH
    cld
    mov esi, OFFSET idt + 14 * 8
    mov edi, OFFSET idt_high
    mov ecx, 100
    rep movsd
    IDT_AT WINDOW+0x2000-14*8
    ARM 1f
2:  ud2
1:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 0
    EXPECT [exc_cr2], (WINDOW+0x2000-8*8)
    EXPECT [exc_eip], (OFFSET 2b)
    mov eax, 0x8000
    ARM 1f
2:  mov gs, eax
1:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 0
    EXPECT [exc_cr2], (WINDOW+0x2000-8)
    EXPECT [exc_eip], (OFFSET 2b)
    # A page fault, then a page fault: entry 14 absent, 8 present.
    MAP 1, idt_low, P+W
    MAP 2, idt_high, 0
    FLUSH
    cld
    mov esi, OFFSET idt
    mov edi, OFFSET idt_low + 4096 - 14 * 8
    mov ecx, 28
    rep movsd
    ARM 1f
    mov al, [WINDOW + 0x3000]
1:  DISARM
    EXPECT [exc_vector], 8
    EXPECT [exc_error], 0
    mov eax, cr2                    # the second one's: entry 14
    EXPECT eax, WINDOW+0x2000
    lidt [idt_pointer]

    # From ring 3, by the stack that the TSS names: #TS for a bad one, #SS for an absent one, #PF for one that is not mapped.
    DESC ABSENT_STACK, 0, 0xfffff, 0x12, 0xc0
    call df_task_ready
    mov dword ptr [tss + 8], 0      # null: #TS(0) during #GP
    call from_ring3
    EXPECT [df_count], 1
    mov dword ptr [tss + 8], ABSENT_STACK
    call from_ring3
    EXPECT [df_count], 2
    mov dword ptr [tss + 8], DATA0
    mov dword ptr [tss + 4], WINDOW + 0x8000    # #PF during #GP, and again during that #PF
    call from_ring3
    EXPECT [df_count], 3
    mov eax, cr2
    EXPECT eax, WINDOW+0x7ffc
    mov dword ptr [tss + 4], OFFSET stack0_irq_top
    MEND 8
    dec dword ptr [rounds]
    jnz again
    ret

# HLT in ring 3; its #GP cannot be delivered; the #DF task comes back here.
from_ring3:
    mov [saved_esp], esp
    pushd DATA3
    pushd OFFSET stack3_top
    pushd 2
    pushd CODE3
    pushd OFFSET 1f
    iretd
1:  hlt
df_task:
    pop eax                         # the error code
    inc dword ptr [df_count]
    EXPECT eax, 0
    EXPECT [tss + 76], CODE3        # the interrupted task's CS, EIP
    EXPECT [tss + 32], (OFFSET 1b)
    movzx eax, word ptr [df_tss]
    EXPECT eax, TSS0
    pushd 2
    popfd
    clts
    and byte ptr [gdt + TSS0 + 5], 0xfd
    and byte ptr [gdt + DF_TSS + 5], 0xfd
    mov eax, TSS0
    ltr ax
    mov dword ptr [df_tss + 56], OFFSET stack3_top - 0x1000
    mov dword ptr [df_tss + 32], OFFSET df_task
    mov dword ptr [df_tss + 36], 2
    mov esp, [saved_esp]
    ret

df_task_ready:
    mov edi, OFFSET df_tss
    mov ecx, 26
    xor eax, eax
    cld
    rep stosd
    mov [df_count], eax
    mov eax, cr3
    mov [df_tss + 28], eax
    mov dword ptr [df_tss + 32], OFFSET df_task
    mov dword ptr [df_tss + 36], 2
    mov dword ptr [df_tss + 56], OFFSET stack3_top - 0x1000
    mov dword ptr [df_tss + 72], DATA0
    mov dword ptr [df_tss + 76], CODE0
    mov dword ptr [df_tss + 80], DATA0
    mov dword ptr [df_tss + 84], DATA0
    mov dword ptr [df_tss + 88], DATA0
    mov dword ptr [df_tss + 92], DATA0
    DESC DF_TSS, df_tss, 103, 0x89, 0
    GATE 8, 0, 0x85, DF_TSS
    ret

    .section .bss
    .balign 4096
idt_low: .skip 4096
idt_high: .skip 4096
df_tss: .skip 104
pointer: .skip 8
bounds: .skip 8
rounds: .skip 4
saved_esp: .skip 4
df_count: .skip 4
