#! title = "Every exception that software can raise: vector, error code, saved EIP"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 23, 31, 37. SDM volume 3A, 6.3, 6.13 (error codes), 6.15 (the exceptions in detail).
    .include "pm.inc"
    .include "paging.inc"

main:
    # Faults: EIP of the instruction.
    xor ecx, ecx
    FAULTS 0, 0, div ecx
    FAULTS 0, 0, idiv cl
    mov eax, 0x80000000
    mov edx, -1
    mov ecx, -1
    FAULTS 0, 0, idiv ecx           # the quotient does not fit
    mov edx, 2
    mov ecx, 2
    FAULTS 0, 0, div ecx
    EXPECT eax, 0x80000000          # nothing is written
    EXPECT edx, 2
    aam 10
    FAULTS 0, 0, .byte 0xd4, 0      # AAM 0
    FAULTS 6, 0, ud2
    FAULTS 6, 0, .byte 0xf0, 0x90   # LOCK NOP
    FAULTS 6, 0, .byte 0x8d, 0xc0   # LEA of a register
    FAULTS 6, 0, .byte 0x0f, 0xff   # UD0
    FAULTS 6, 0, .byte 0xc5, 0xc0   # LDS of a register
    FAULTS 6, 0, .byte 0x8e, 0xc8   # MOV CS
    FAULTS 6, 0, .byte 0x8c, 0xf0   # MOV from segment register 6
    FAULTS 6, 0, .byte 0x0f, 0x20, 0xc8 # MOV from CR1
    FAULTS 6, 0, .byte 0xfe, 0xd0   # group 4, /2
    FAULTS 6, 0, .byte 0xff, 0xf8   # group 5, /7
    FAULTS 6, 0, .byte 0xff, 0xe8   # JMP far of a register
    FAULTS 6, 0, .byte 0x0f, 0xc7, 0xc8 # CMPXCHG8B of a register
    .ifndef QEMU                    # (QEMU takes any /n for POP)
    FAULTS 6, 0, .byte 0x8f, 0xc8   # POP r/m, /1
    .endif
    mov dword ptr [bounds], 5
    mov dword ptr [bounds + 4], 10
    mov eax, 11
    FAULTS 5, 0, bound eax, [bounds]
    mov eax, -1
    FAULTS 5, 0, bound eax, [bounds]
    mov eax, 10
    bound eax, [bounds]
    mov eax, 5
    bound eax, [bounds]

    # Traps: EIP of the next.
    TRAPS 3, int3
    TRAPS 3, .byte 0xcd, 3
    mov al, 0x7f
    add al, 1
    TRAPS 4, into
    xor eax, eax
    into
    TRAPS 0x30, int 0x30
    .ifndef QEMU                    # (QEMU takes INT1 for its own)
    TRAPS 1, .byte 0xf1             # INT1
    .endif
    GATE 14, count_handler          # an INT n of a fault's number pushes no error code
    mov ebx, esp
    int 14
    mov eax, esp
    EXPECT eax, ebx
    EXPECT edx, 12
    GATE 14, (vector_stubs+14*16)
    # INT n and the gate's DPL, INT3 and INTO too; INT1 does not check.
    FAULTS3 13, 3*8+2, int3
    mov al, 0x7f
    jmp 2f
1:  add al, 1
3:  into
2:  RING3 1b
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 4*8+2
    EXPECT [exc_eip], (OFFSET 3b)
    FAULTS3 13, 0x80*8+2, int 0x80
    .ifndef QEMU
    jmp 2f
1:  .byte 0xf1
3:  int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 1
    EXPECT [exc_eip], (OFFSET 3b)
    .endif
    # An absent gate: #NP with IDT set. A gate of no valid type: #GP.
    GATE 0x21, 0x1000, 0x0e
    FAULTS 11, 0x21*8+2, int 0x21
    GATE 0x21, 0x1000, 0x8c
    FAULTS 13, 0x21*8+2, int 0x21
    GATE 0x21, 0x1000, 0x8e, 0
    FAULTS 13, 0, int 0x21          # a null selector in the gate
    GATE 0x21, 0x1000, 0x8e, DATA0
    FAULTS 13, DATA0, int 0x21      # data
    DESC SPARE, 0, 0xfffff, 0x1a, 0xc0
    GATE 0x21, 0x1000, 0x8e, SPARE
    FAULTS 11, SPARE, int 0x21      # absent code segment
    GATE 0x21, 0x1000, 0x8e, CODE3
    FAULTS 13, CODE3-3, int 0x21    # to an outer ring
    # Beyond the IDT's limit.
    mov word ptr [short_idt], 0x21*8+6
    mov dword ptr [short_idt + 2], OFFSET idt
    lidt [short_idt]
    FAULTS 13, 0x21*8+2, int 0x21
    lidt [idt_pointer]

    # A trap gate leaves IF, an interrupt gate clears it; both clear TF.
    GATE 0x22, flags_handler, 0x8f
    GATE 0x23, flags_handler, 0x8e
    sti
    int 0x22
    mov ebx, eax
    int 0x23
    cli
    and ebx, 0x200
    and eax, 0x200
    EXPECT ebx, 0x200
    EXPECT eax, 0

    # Segment loads.
    mov eax, 0x8000
    FAULTS 13, 0x8000, mov ds, eax
    mov eax, 0x8003
    FAULTS 13, 0x8000, mov ds, eax  # the error code has no RPL
    mov eax, 0x8004
    FAULTS 13, 0x8004, mov ds, eax  # but TI
    DESC SPARE, 0, 0xfffff, 0x12, 0xc0
    mov eax, SPARE
    FAULTS 11, SPARE, mov es, eax
    FAULTS 12, SPARE, mov ss, eax
    DESC SPARE, 0, 0xfffff, 0x90, 0xc0
    FAULTS 13, SPARE, mov ss, eax   # not writable
    mov es, eax
    xor eax, eax
    FAULTS 13, 0, mov ss, eax
    FAULTS 13, 0, jmp 0:0
    FAULTS 13, DATA0, jmp DATA0:0
    FAULTS 13, 0x8000, call 0x8000:0
    FAULTS 13, CODE3-3, jmp CODE3:0

    # Control registers.
    .ifndef QEMU                    # (QEMU takes any value)
    mov eax, 0x80000000             # PG without PE
    FAULTS 13, 0, mov cr0, eax
    mov eax, 0x20000011             # NW without CD
    FAULTS 13, 0, mov cr0, eax
    mov eax, 0x80000000             # a reserved bit of CR4
    FAULTS 13, 0, mov cr4, eax
    .endif

    # #AC: CPL 3, CR0.AM, EFLAGS.AC, all three.
    mov eax, cr0
    or eax, 0x40000
    mov cr0, eax
    mov ebx, OFFSET bounds
    pushd 0x40002
    popfd
    mov eax, [ebx + 1]              # not at CPL 0
    pushd 2
    popfd
    OK3 mov eax, [ebx + 1]          # AC clear
    .ifndef QEMU                    # (QEMU's TCG checks no alignment)
    jmp 2f
1:  mov eax, [ebx + 1]
2:  RING3 1b, 0x40002
    EXPECT [exc_vector], 17
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 1b)
    jmp 2f
1:  mov ax, [ebx + 1]
2:  RING3 1b, 0x40002
    EXPECT [exc_vector], 17
    jmp 2f
1:  mov [ebx + 6], eax
2:  RING3 1b, 0x40002
    EXPECT [exc_vector], 17
    .endif
    jmp 2f
1:  mov al, [ebx + 1]               # bytes are always aligned
    mov ax, [ebx + 2]
    mov eax, [ebx + 4]
    int 0x30
2:  RING3 1b, 0x40002
    EXPECT [exc_vector], 0x30
    mov eax, cr0
    and eax, ~0x40000
    mov cr0, eax

    # CR2 is written by page faults only (docs/traps.md 24).
    call paging_on
    FAULTS 14, 0, mov al, [WINDOW + 0x777]
    FAULTS 13, 0x8000, jmp 0x8000:0
    FAULTS 6, 0, ud2
    mov eax, cr2
    EXPECT eax, WINDOW+0x777
    mov eax, 0x12345678
    mov cr2, eax
    mov eax, cr2
    EXPECT eax, 0x12345678
    ret

count_handler:
    mov edx, ebx
    sub edx, esp
    iretd

flags_handler:
    pushfd
    pop eax
    iretd

    .section .bss
    .balign 16
bounds: .skip 16
short_idt: .skip 8
