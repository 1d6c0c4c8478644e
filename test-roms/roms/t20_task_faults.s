#! title = "Task switches that fault: before the switch in the old task, after it in the new one; 16-bit TSS; CR3; nesting"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 20. SDM volume 3A, 7.3 (the steps and their exceptions, table 7-1), 7.4 (nesting), 7.6 (16-bit TSS). A lazy monitor
# faults everything in the old task, or half-way.
    .include "pm.inc"
    .include "paging.inc"
    .set TSS_B, SPARE
    .set TSS_C, SPARE + 8
    .set TSS_16, SPARE + 0x10
    .set LDT_B, SPARE + 0x18
    .set ABSENT_CODE, SPARE + 0x20
    .set ABSENT_DATA, SPARE + 0x28
    .set CODE_SHORT, SPARE + 0x30
    .set TSS_H, SPARE + 0x38
    .set STACK16, SPARE + 0x40

# TSS at EDI, EIP EAX.
fresh:
    pushad
    push eax
    push edi
    mov ecx, 26
    xor eax, eax
    cld
    rep stosd
    pop edi
    pop eax
    mov [edi + 32], eax
    mov eax, cr3
    mov [edi + 28], eax
    mov dword ptr [edi + 36], 2
    mov dword ptr [edi + 40], 0xaaaa0000
    mov dword ptr [edi + 56], OFFSET stack3_top
    mov dword ptr [edi + 72], DATA0
    mov dword ptr [edi + 76], CODE0
    mov dword ptr [edi + 80], DATA0
    mov dword ptr [edi + 84], DATA0
    mov dword ptr [edi + 88], DATA0
    mov dword ptr [edi + 92], DATA0
    mov dword ptr [edi + 100], 104 << 16
    popad
    ret
.macro TASK tss, selector, entry
    mov edi, OFFSET \tss
    mov eax, OFFSET \entry
    call fresh
    DESC \selector, \tss, 103, 0x89, 0
.endm
# The task of TSS_B, with a dword of its TSS changed, is called; its fault is the new task's, at its first instruction.
# What handles it is a task of its own: the new task may have no stack and no code (SDM volume 3A, 6.15, #TS).
.macro NEW_FAULTS vector, error, offset, value
    TASK tss_b, TSS_B, task_b
    mov dword ptr [tss_b + \offset], \value
    TASK tss_h, TSS_H, handler_task
    GATE \vector, 0, 0x85, TSS_H
    mov dword ptr [exc_error], -1
    call fault_it
    GATE \vector, (vector_stubs+\vector*16)
    EXPECT [exc_error], \error
    movzx eax, word ptr [tss_h]
    EXPECT eax, TSS_B               # it interrupted the new task
    EXPECT [tss_b + 32], (OFFSET task_b)
    movzx eax, word ptr [tss_b]
    EXPECT eax, TSS0                # which is nested in the old one
    mov eax, [gdt + TSS0 + 4]
    and eax, [gdt + TSS_B + 4]
    and eax, 0x200
    EXPECT eax, 0x200
    EXPECT [tss + 32], (OFFSET behind_call)
    call back
.endm
fault_it:
    mov [saved_esp], esp
    call TSS_B:0
behind_call:
    FAIL
handler_task:
    pop dword ptr [exc_error]
    mov esp, [saved_esp]
    clts
    ret
# The same before the switch: at the CALL, in the old task.
.macro OLD_FAULTS vector, error
    FAULTS \vector, \error, call TSS_B:0
    str eax
    EXPECT eax, TSS0
    mov eax, cr0
    and eax, 8
    EXPECT eax, 0
.endm
# From the new task back into TSS0 as if nothing had been.
back:
    and byte ptr [gdt + TSS0 + 5], 0xfd
    mov eax, TSS0
    ltr ax
    xor eax, eax
    lldt ax
    pushd 2
    popfd
    ret

main:
    call paging_on
    mov eax, cr3                    # a switch loads CR3 and never saves it
    mov [tss + 28], eax
    mov dword ptr [rounds], 12
again:
    DESC ABSENT_CODE, 0, 0xfffff, 0x1a, 0xc0
    DESC ABSENT_DATA, 0, 0xfffff, 0x12, 0xc0
    DESC CODE_SHORT, 0, 0xfff, 0x9b, 0x40
    DESC LDT_B, ldt_b, 7, 0x82, 0
    # In the new task.
    .ifndef QEMU                    # (QEMU reports the old task's EIP, and takes errors in another order)
    NEW_FAULTS 10, DATA0, 96, DATA0             # LDT is none: #TS
    NEW_FAULTS 10, 0x8000, 96, 0x8000
    NEW_FAULTS 10, 0, 76, 0                     # CS null
    NEW_FAULTS 10, DATA0, 76, DATA0             # CS is data
    NEW_FAULTS 11, ABSENT_CODE, 76, ABSENT_CODE
    NEW_FAULTS 10, 0, 80, 0                     # SS null
    NEW_FAULTS 10, CODE0, 80, CODE0
    NEW_FAULTS 10, (DATA3-3), 80, DATA3         # SS of another privilege
    NEW_FAULTS 12, ABSENT_DATA, 80, ABSENT_DATA
    NEW_FAULTS 10, TSS0, 84, TSS0               # DS is a system segment
    NEW_FAULTS 11, ABSENT_DATA, 92, ABSENT_DATA # GS absent
    NEW_FAULTS 13, 0, 76, CODE_SHORT            # EIP beyond the limit
    .endif
    # In the old task: an absent TSS, a short one, a busy one, one whose page is absent or read-only.
    TASK tss_b, TSS_B, task_b
    and byte ptr [gdt + TSS_B + 5], 0x7f
    OLD_FAULTS 11, TSS_B
    DESC TSS_B, tss_b, 0x66, 0x89, 0
    OLD_FAULTS 10, TSS_B
    DESC TSS_B, tss_b, 103, 0x8b, 0
    OLD_FAULTS 13, TSS_B
    .ifndef QEMU
    DESC TSS_B, WINDOW+0x2000, 103, 0x89, 0
    MAP 2, tss_page, 0
    FLUSH
    ARM 1f
2:  call TSS_B:0
1:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_eip], (OFFSET 2b)
    mov eax, [exc_cr2]
    and eax, ~0xfff
    EXPECT eax, WINDOW+0x2000
    str eax
    EXPECT eax, TSS0
    mov eax, [gdt + TSS_B + 4]
    and eax, 0x200                  # not marked
    EXPECT eax, 0
    # One that straddles: its second page absent. Nothing of the old task is saved, nothing switched.
    DESC TSS_B, WINDOW+0x1fd0, 103, 0x89, 0
    MAP 1, tss_page, P+W
    FLUSH
    mov dword ptr [tss + 32], 0x5a5a5a5a
    mov ebx, 0xb0b
    FAULTS 14, 0, call TSS_B:0
    EXPECT [exc_cr2], WINDOW+0x2000
    EXPECT [tss + 32], 0x5a5a5a5a
    EXPECT ebx, 0xb0b
    str eax
    EXPECT eax, TSS0
    .endif
    mov eax, cr0
    and eax, 8
    EXPECT eax, 0

    # Nesting three deep: A calls B, B calls C, IRET twice; each link, NT, busy.
    TASK tss_b, TSS_B, task_b_calls_c
    TASK tss_c, TSS_C, task_c
    mov dword ptr [seen], 0
    call TSS_B:0
    clts
    EXPECT [seen], 0x0b0c0b
    EXPECT [seen + 4], TSS_B        # C's link
    EXPECT [seen + 8], TSS0         # B's link
    EXPECT [seen + 12], 0x02020202  # all three busy
    mov eax, [gdt + TSS_B + 4]
    or eax, [gdt + TSS_C + 4]
    and eax, 0x200
    EXPECT eax, 0
    pushfd
    pop eax
    and eax, 0x4000
    EXPECT eax, 0
    # Recursion is refused: a busy TSS.
    TASK tss_b, TSS_B, task_b_recurses
    ARM 1f
    call TSS_B:0
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_error], TSS0
    EXPECT [exc_eip], (OFFSET task_b_recurses)
    clts
    call back

    # CR3 is the new task's: another mapping of the window; and the old one is back after IRET.
    MAP 4, page_a, P+W
    FLUSH
    mov dword ptr [page_a], 0xa
    mov dword ptr [page_b], 0xb
    mov esi, OFFSET page_dir
    mov edi, OFFSET dir_b
    mov ecx, 1024
    cld
    rep movsd
    mov dword ptr [dir_b + 4], OFFSET pt_b + P + W
    mov dword ptr [pt_b + 4 * 4], OFFSET page_b + P + W
    TASK tss_b, TSS_B, task_b_looks
    mov dword ptr [tss_b + 28], OFFSET dir_b
    call TSS_B:0
    clts
    EXPECT [seen], 0xb
    EXPECT [WINDOW + 0x4000], 0xa
    mov eax, cr3
    EXPECT eax, (OFFSET page_dir)

    # A 16-bit TSS: words, no CR3, no FS and GS.
    mov edi, OFFSET tss_16
    xor eax, eax
    mov ecx, 11
    rep stosd
    mov word ptr [tss_16 + 14], 0x7000
    mov word ptr [tss_16 + 16], 2
    mov word ptr [tss_16 + 18], 0x1234
    mov word ptr [tss_16 + 26], 0x6f00
    mov word ptr [tss_16 + 34], DATA0
    mov word ptr [tss_16 + 36], CODE0
    mov word ptr [tss_16 + 38], STACK16 # (the upper half of ESP is undefined)
    DESC STACK16, 0, 0xffff, 0x93, 0
    mov word ptr [tss_16 + 40], DATA0
    mov byte ptr [0x7000], 0xe9
    mov dword ptr [0x7001], OFFSET task_16 - 0x7005
    DESC TSS_16, tss_16, 43, 0x81, 0
    call TSS_16:0
    clts
    EXPECT [seen], 0x1234
    EXPECT [seen + 4], TSS0
    EXPECT [seen + 8], 0x4002
    EXPECT [seen + 12], 0x6f00
    movzx eax, word ptr [tss_16 + 20]           # IRET saved words: CX
    EXPECT eax, 0x8765
    movzx eax, word ptr [tss_16 + 14]
    mov ebx, OFFSET task_16_end
    and ebx, 0xffff
    EXPECT eax, ebx
    DESC TSS_16, tss_16, 42, 0x81, 0
    FAULTS 10, TSS_16, call TSS_16:0
    # An error code comes with the event through a task gate: on the new task's stack.
    TASK tss_b, TSS_B, task_b_error
    GATE 13, 0, 0x85, TSS_B
    mov eax, 0x8000
2:  mov gs, eax
    FAIL
task_b_error:
    pop ebx
    EXPECT ebx, 0x8000
    EXPECT [tss + 32], (OFFSET 2b)
    mov eax, [tss + 36]
    and eax, 0x10000                # RF in the saved image: a fault
    .ifndef QEMU
    EXPECT eax, 0x10000
    .endif
    EXPECT esp, (OFFSET stack3_top)
    clts
    mov esp, [tss + 56]             # the old task's stack
    call back
    GATE 13, (vector_stubs+13*16)
    dec dword ptr [rounds]
    jnz again
    ret

task_b:
    FAIL
task_b_calls_c:
    mov dword ptr [seen], 0x0b
    movzx eax, word ptr [tss_b]
    mov [seen + 8], eax
    call TSS_C:0
    shl dword ptr [seen], 8
    or dword ptr [seen], 0x0b
    iretd
task_c:
    shl dword ptr [seen], 8
    or dword ptr [seen], 0x0c
    movzx eax, word ptr [tss_c]
    mov [seen + 4], eax
    mov al, [gdt + TSS0 + 5]
    mov ah, [gdt + TSS_B + 5]
    shl eax, 16
    mov al, [gdt + TSS_C + 5]
    mov ah, [gdt + TSS_C + 5]
    and eax, 0x02020202
    mov [seen + 12], eax
    iretd
task_b_recurses:
    jmp TSS0:0
task_b_looks:
    mov eax, [WINDOW + 0x4000]
    mov [seen], eax
    iretd
task_16:
    and eax, 0xffff
    mov [seen], eax
    movzx eax, word ptr [tss_16]
    mov [seen + 4], eax
    pushfd
    pop dword ptr [seen + 8]
    movzx eax, sp
    mov [seen + 12], eax
    mov ecx, 0x8765
    iretd
task_16_end:

    .section .data
    .balign 8
ldt_b: .quad 0x00cf93000000ffff
    .section .bss
    .balign 4096
tss_page: .skip 4096
page_a: .skip 4096
page_b: .skip 4096
dir_b: .skip 4096
pt_b: .skip 4096
tss_b: .skip 104
tss_c: .skip 104
tss_h: .skip 104
tss_16: .skip 44
saved_esp: .skip 4
seen: .skip 16
rounds: .skip 4
