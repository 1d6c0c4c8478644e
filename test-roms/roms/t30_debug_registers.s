#! title = "Debug registers: instruction and data breakpoints, lengths, RF, GD, DR6"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 29, 30. SDM volume 3A, 17.2 and 17.3.
    .include "pm.inc"
    .set ENABLE0, 2 | 0x700         # G0, LE/GE and bit 10
    .set RW0_WRITE, 1 << 16
    .set RW0_ANY, 3 << 16
    .set LEN0_2, 1 << 18
    .set LEN0_4, 3 << 18

.macro WATCH address, control
    mov eax, OFFSET \address
    mov dr0, eax
    mov eax, \control
    mov dr7, eax
    xor eax, eax
    mov dr6, eax
.endm
.macro NO_WATCH
    mov eax, 0x400
    mov dr7, eax
.endm
.macro DR6_IS want
    mov eax, dr6
    and eax, 0xe00f
    EXPECT eax, \want
.endm
# The instruction is followed by a data breakpoint's trap.
.macro HITS insn:vararg
    TRAPS 1, \insn
    DR6_IS 1
    xor eax, eax
    mov dr6, eax
.endm
.macro MISSES insn:vararg
    ARM 779f
    \insn
779: DISARM
    EXPECT [exc_vector], -1
    DR6_IS 0
.endm

main:
    # What reads back.
    mov eax, 0x12345678
    mov dr1, eax
    mov eax, dr1
    EXPECT eax, 0x12345678
    mov eax, dr7
    EXPECT eax, 0x400
    mov eax, dr6
    and eax, 0xffff0ff0
    EXPECT eax, 0xffff0ff0

    # An execution breakpoint is a fault: before the instruction. RF in the IRET's flags lets it run.
    WATCH 1f, ENABLE0
    ARM 2f
    mov ebx, 5
1:  mov ebx, 6
    jmp 4f
2:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 1b)
    EXPECT ebx, 5
    DR6_IS 1
    mov eax, [exc_eflags]           # of all faults this one alone leaves RF clear in its frame
    and eax, 0x10000
    EXPECT eax, 0
    NO_WATCH
    ARM 2f
3:  ud2
2:  DISARM
    .ifndef QEMU                    # (QEMU never sets it)
    mov eax, [exc_eflags]
    and eax, 0x10000
    EXPECT eax, 0x10000
    .endif
    WATCH 1b, ENABLE0
    ARM 2f
    pushd 0x10002
    push cs
    pushd OFFSET 1b
    iretd
4:
2:  DISARM
    EXPECT [exc_vector], -1
    EXPECT ebx, 6
    NO_WATCH

    # Hit many times in a loop, with a handler that sets RF.
    GATE 1, resume_handler
    WATCH 3f, ENABLE0
    mov dword ptr [hits], 0
    mov ecx, 50
watched_loop:
3:  dec ecx
    jnz 3b
    EXPECT [hits], 50
    NO_WATCH
    mov ecx, 50                     # and none when off, though the code has been run with it on
    xor dword ptr [pass], 1
    jnz watched_loop
    GATE 1, (vector_stubs+16)

    # Data: writes of 4, 2, 1; what overlaps hits, what does not misses.
    WATCH (watched), ENABLE0 | RW0_WRITE | LEN0_4
    HITS mov dword ptr [watched], 1
    HITS mov byte ptr [watched + 3], 1
    HITS mov word ptr [watched + 3], 1
    HITS mov dword ptr [watched - 3], 1
    MISSES mov dword ptr [watched - 4], 1
    MISSES mov byte ptr [watched + 4], 1
    MISSES mov eax, [watched]
    HITS inc dword ptr [watched]
    MISSES cmp dword ptr [watched], 1
    mov ebx, esp
    WATCH (watched), ENABLE0 | RW0_WRITE | LEN0_2
    HITS mov byte ptr [watched + 1], 1
    MISSES mov byte ptr [watched + 2], 1
    WATCH (watched), ENABLE0 | RW0_WRITE
    HITS mov byte ptr [watched], 1
    MISSES mov byte ptr [watched + 1], 1
    WATCH (watched), ENABLE0 | RW0_ANY | LEN0_4
    HITS mov eax, [watched]
    HITS mov dword ptr [watched], 1
    HITS cmp byte ptr [watched + 2], 1
    MISSES lea eax, [watched]
    # The value is written before the trap.
    mov dword ptr [watched + 8], 0
    WATCH (watched+8), ENABLE0 | RW0_WRITE | LEN0_4
    HITS mov dword ptr [watched + 8], 0x999
    NO_WATCH
    EXPECT [watched + 8], 0x999
    # Disabled: the condition may show in DR6 but nothing traps.
    mov eax, 0x400 | RW0_WRITE | LEN0_4
    mov dr7, eax
    ARM 5f
    mov dword ptr [watched + 8], 1
5:  DISARM
    EXPECT [exc_vector], -1

    # REP MOVS: after the iteration that hit.
    WATCH (watched+8), ENABLE0 | RW0_WRITE | LEN0_4
    mov edi, OFFSET watched
    mov ecx, 6
    xor eax, eax
    ARM 6f
7:  rep stosd
6:  DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 7b)
    EXPECT ecx, 3
    EXPECT edi, (OFFSET watched+12)
    NO_WATCH

    # PUSH and CALL write memory too.
    lea eax, [esp - 4]
    mov dr0, eax
    mov eax, ENABLE0 | RW0_WRITE | LEN0_4
    mov dr7, eax
    ARM 8f
    push eax
8:  NO_WATCH                        # (the checks push, too)
    DISARM
    EXPECT [exc_vector], 1

    # An event's frame meets the breakpoint: the trap comes before the handler's first instruction.
    .ifndef QEMU                    # (QEMU gives up in the middle)
.macro FRAME_HITS vector, insn:vararg
    xor eax, eax
    mov dr6, eax
    lea eax, [esp - 12]
    mov dr0, eax
    mov eax, ENABLE0 | RW0_WRITE | LEN0_4
    mov dr7, eax
    ARM 779f
    \insn
779: NO_WATCH
    DISARM
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET vector_stubs+(\vector)*16)
    DR6_IS 1
.endm
    FRAME_HITS 6, ud2
    FRAME_HITS 0x30, int 0x30
    .endif

    # GD: any access to a debug register faults, and GD is cleared for the handler.
    .ifndef QEMU                    # (QEMU leaves GD out)
    xor eax, eax
    mov dr6, eax
    mov eax, 0x2400
    mov dr7, eax
    FAULTS 1, 0, mov eax, dr0
    mov eax, dr7
    EXPECT eax, 0x400
    DR6_IS 0x2000
    .endif
    # DR4 and DR5 are aliases while CR4.DE is clear, and #UD when it is set.
    mov eax, 0x400
    mov dr7, eax
    mov ebx, dr5
    EXPECT ebx, 0x400
    mov eax, cr4
    or eax, 8
    mov cr4, eax
    FAULTS 6, 0, mov ebx, dr5
    FAULTS 6, 0, mov ebx, dr4
    ret

resume_handler:
    inc dword ptr [hits]
    or dword ptr [esp + 8], 0x10000
    iretd

    .section .bss
    .balign 16
    .skip 16
watched: .skip 64
hits: .skip 4
pass: .skip 4
