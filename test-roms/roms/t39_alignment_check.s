#! title = "#AC: at CPL 3 with CR0.AM and EFLAGS.AC, never otherwise"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 39. SDM volume 3A, 6.15 (#AC): by the operand's type; error code 0; explicit accesses only at CPL 3.
    .include "pm.inc"
    .include "paging.inc"
    .set AC, 0x40000

# AC3 vector, instruction: in ring 3 with EFLAGS.AC set.
.macro AC3 vector, insn:vararg
    jmp 777f
778: \insn
    int 0x30
777: RING3 778b, AC+2
    EXPECT [exc_vector], \vector
    .if \vector != 0x30
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 778b)
    .endif
.endm
.macro CR0_AM set
    mov eax, cr0
    .if \set
    or eax, AC
    .else
    and eax, ~AC
    .endif
    mov cr0, eax
.endm

main:
    # Without CR0.AM the flag does nothing.
    mov edx, OFFSET data
    AC3 0x30, mov eax, [edx + 1]
    CR0_AM 1
    mov edx, OFFSET data
    # At CPL 0 neither.
    pushfd
    or dword ptr [esp], AC
    popfd
    mov eax, [edx + 1]
    mov [edx + 3], eax
    pushfd
    and dword ptr [esp], ~AC
    popfd
    # At CPL 3 without the flag neither.
    jmp 2f
1:  mov eax, [edx + 1]
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30

    .ifndef QEMU                    # (QEMU has no alignment check)
    # Both: by size.
    AC3 17, mov eax, [edx + 1]
    AC3 17, mov eax, [edx + 2]
    AC3 17, mov eax, [edx + 3]
    AC3 17, mov [edx + 2], eax
    AC3 17, add dword ptr [edx + 2], 1
    AC3 17, mov ax, [edx + 1]
    AC3 17, mov word ptr [edx + 3], 5
    AC3 17, push dword ptr [edx + 1]
    AC3 17, fld qword ptr [edx + 4]
    AC3 17, fld dword ptr [edx + 2]
    AC3 17, fild word ptr [edx + 1]
    AC3 17, fld tbyte ptr [edx + 4]
    AC3 17, bt dword ptr [edx + 1], 3
    AC3 17, cmpxchg8b [edx + 4]
    AC3 17, lock xadd [edx + 1], eax
    AC3 17, xchg [edx + 1], eax
    mov esi, OFFSET data
    mov edi, OFFSET data + 33
    AC3 17, movsd
    EXPECT esi, (OFFSET data)
    EXPECT edi, (OFFSET data+33)
    mov ecx, 2
    AC3 17, rep movsw
    EXPECT ecx, 2
    .endif
    # Aligned ones, bytes, and instructions without an access pass.
    mov edx, OFFSET data
    AC3 0x30, mov eax, [edx + 4]
    AC3 0x30, mov ax, [edx + 2]
    AC3 0x30, mov al, [edx + 3]
    AC3 0x30, lea eax, [edx + 1]
    AC3 0x30, fld qword ptr [edx + 8]
    AC3 0x30, fstp qword ptr [edx + 8]
    AC3 0x30, cmpxchg8b [edx + 8]
    AC3 0x30, prefetchnta [edx + 1]

    .ifndef QEMU
    # The stack: a push to an odd place faults, with nothing moved.
    jmp 4f
3:  sub esp, 2
    mov ebx, esp
5:  push eax
    int 0x30
4:  RING3 3b, AC+2
    EXPECT [exc_vector], 17
    EXPECT [exc_eip], (OFFSET 5b)
    EXPECT [exc_esp], ebx
    # The frame of the fault is pushed at CPL 0: no second fault, and EFLAGS in it has AC.
    mov eax, [exc_eflags]
    and eax, AC
    EXPECT eax, AC
    # POPFD may set AC in ring 3; the next access is checked.
    jmp 7f
6:  pushfd
    or dword ptr [esp], AC
    popfd
8:  mov eax, [edx + 1]
    int 0x30
7:  RING3 6b
    EXPECT [exc_vector], 17
    EXPECT [exc_eip], (OFFSET 8b)

    # A misaligned access to an absent page: #AC comes before #PF's page is even asked for.
    call paging_on
    AC3 17, mov eax, [WINDOW + 1]
    .endif
    CR0_AM 0
    ret

    .section .data
    .balign 16
data: .skip 64
