#! title = "Sensitive but unprivileged instructions at CPL 0 and 3 answer with the guest's values"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 40. Robin and Irvine (2000); SDM volume 2 for each: SGDT SIDT SLDT STR SMSW, PUSHF POPF, LAR LSL VERR VERW,
# PUSH/POP/MOV of segment registers, CS's RPL, far CALL/JMP/RET and INT n at CPL 3.
    .include "pm.inc"
    .set LDT, SPARE                 # a table of two descriptors
    .set CODE3_CONFORMING, SPARE + 8
    .set DATA0_SMALL, SPARE + 0x10
    .set CODE3_XONLY, SPARE + 0x18
    .set DATA3_RO, SPARE + 0x20
    .set ABSENT, SPARE + 0x28

# Checks of the table registers, the same at any CPL; run inside ring 3 by a call there and in ring 0.
look_at_tables:
    sgdt [buffer]
    sidt [buffer + 8]
    mov eax, -1
    sldt eax
    mov [buffer + 16], eax
    mov ebx, -1
    str ebx
    mov [buffer + 20], ebx
    mov ecx, -1
    smsw ecx
    mov [buffer + 24], ecx
    mov edx, -1
    sldt dx
    mov [buffer + 28], edx
    mov dword ptr [buffer + 32], -1
    str word ptr [buffer + 32]
    mov dword ptr [buffer + 36], -1
    smsw word ptr [buffer + 36]
    ret

.macro TABLES_ARE_OURS
    movzx eax, word ptr [buffer]
    EXPECT eax, (gdt_end - gdt - 1)
    EXPECT [buffer + 2], (OFFSET gdt)
    movzx eax, word ptr [buffer + 8]
    EXPECT eax, 0x7ff
    EXPECT [buffer + 10], (OFFSET idt)
    EXPECT [buffer + 16], LDT
    EXPECT [buffer + 20], TSS0
    mov eax, cr0
    mov ecx, [buffer + 24]
    and eax, 0xffff
    and ecx, 0xffff
    EXPECT ecx, eax
    EXPECT [buffer + 28], (0xffff0000+LDT)
    EXPECT [buffer + 32], (0xffff0000+TSS0)
    movzx ecx, word ptr [buffer + 36]
    EXPECT ecx, eax
    movzx ecx, word ptr [buffer + 38]
    EXPECT ecx, 0xffff              # a memory operand is a word
.endm

# LAR, LSL, VERR, VERW of one selector: access rights and limit, or ZF clear with the register untouched.
.macro RIGHTS selector, lar, lsl, verr, verw
    pushd \selector
    call probe
    cmp dword ptr [probe_lar], NO
    je 773f
    and dword ptr [probe_lar], 0xfff0ffff       # bits 19:16 are undefined
773: EXPECT [probe_lar], \lar
    EXPECT [probe_lsl], \lsl
    EXPECT [probe_verr], \verr
    EXPECT [probe_verw], \verw
.endm
.set NO, 0x0ddba11

# Fills probe_*; at the CPL that `probe_cpl3` says.
probe:
    mov eax, [esp + 4]
    cmp dword ptr [probe_cpl3], 0
    jne 1f
    call probe_here
    ret 4
1:  RING3 probe_in_ring3
    EXPECT [exc_vector], 0x30
    ret 4
probe_in_ring3:
    call probe_here
    int 0x30
probe_here:
    mov ecx, NO
    mov edx, NO
    lar ecx, eax
    mov [probe_lar], ecx
    lsl edx, eax
    mov [probe_lsl], edx
    mov ecx, 0
    mov edx, 0
    verr ax
    setz cl
    verw ax
    setz dl
    mov [probe_verr], ecx
    mov [probe_verw], edx
    ret

main:
    DESC LDT, ldt, 15, 0x82, 0
    DESC CODE3_CONFORMING, 0, 0xfffff, 0xfe, 0xc0
    DESC DATA0_SMALL, 0x1000, 0x1234, 0x92, 0x40
    DESC CODE3_XONLY, 0, 0xfffff, 0xf8, 0xc0
    DESC DATA3_RO, 0, 0xfffff, 0xf0, 0xc0
    DESC ABSENT, 0, 0x4321, 0x72, 0x40
    mov eax, LDT
    lldt ax
    call look_at_tables
    TABLES_ARE_OURS
    mov edi, OFFSET buffer
    mov ecx, 10
    xor eax, eax
    rep stosd
    jmp 2f
1:  call look_at_tables
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    TABLES_ARE_OURS

    # A different GDT limit and base are seen at once, also from ring 3.
    mov word ptr [buffer], 0xff
    mov dword ptr [buffer + 2], OFFSET gdt
    lgdt [buffer]
    OK3 sgdt [buffer + 8]
    movzx eax, word ptr [buffer + 8]
    EXPECT eax, 0xff
    lgdt [gdt_pointer]

    # Ring 0.
    mov dword ptr [probe_cpl3], 0
    RIGHTS CODE0, 0xc09b00, 0xffffffff, 1, 0
    RIGHTS DATA0, 0xc09300, 0xffffffff, 1, 1
    RIGHTS CODE3, 0xc0fb00, 0xffffffff, 1, 0
    RIGHTS DATA3, 0xc0f300, 0xffffffff, 1, 1
    RIGHTS TSS0, 0x008b00, 103, 0, 0
    RIGHTS LDT, 0x008200, 15, 0, 0
    RIGHTS 0, NO, NO, 0, 0
    RIGHTS 0x8000, NO, NO, 0, 0
    RIGHTS (DATA0_SMALL), 0x409200, 0x1234, 1, 1
    RIGHTS (DATA0_SMALL+3), NO, NO, 0, 0
    RIGHTS (CODE3_XONLY+3), 0xc0f800, 0xffffffff, 0, 0
    RIGHTS (DATA3_RO+3), 0xc0f000, 0xffffffff, 1, 0
    RIGHTS ABSENT, 0x407200, 0x4321, 1, 1
    RIGHTS 4, 0x40f200, 0x777, 1, 1                 # the LDT's first
    RIGHTS 12, 0x00ec00, NO, 0, 0                   # a call gate: LAR knows it, LSL does not
    # Ring 3 sees what its privilege lets it.
    mov dword ptr [probe_cpl3], 1
    RIGHTS CODE0, NO, NO, 0, 0
    RIGHTS DATA0, NO, NO, 0, 0
    RIGHTS CODE3, 0xc0fb00, 0xffffffff, 1, 0
    RIGHTS DATA3, 0xc0f300, 0xffffffff, 1, 1
    RIGHTS TSS0, NO, NO, 0, 0
    RIGHTS (CODE3_CONFORMING), 0xc0fe00, 0xffffffff, 1, 0
    RIGHTS (DATA3_RO), 0xc0f000, 0xffffffff, 1, 0
    RIGHTS 7, 0x40f200, 0x777, 1, 1
    RIGHTS 15, 0x00ec00, NO, 0, 0

    # PUSHF shows IF and IOPL as they are; POPF at CPL 3 changes neither and does not fault.
    jmp 2f
1:  pushfd
    pop eax
    mov ebx, eax
    or ebx, 0x3000
    xor ebx, 0x200
    push ebx
    popfd
    pushfd
    pop ecx
    pushd 2
    popfd
    int 0x30
2:  RING3 1b, 0x1002
    EXPECT eax, 0x1002
    EXPECT ecx, 0x1002
    RING3 1b, 0x3202                # IOPL 3: IF may be changed, IOPL may not
    EXPECT eax, 0x3202
    EXPECT ecx, 0x3002
    RING3 1b, 0x0202
    EXPECT ecx, 0x0202
    # CLI and STI at CPL 3: by IOPL.
    FAULTS3 13, 0, cli
    FAULTS3 13, 0, sti
    FAULTS3 13, 0, hlt
    FAULTS3 13, 0, lgdt [gdt_pointer]
    FAULTS3 13, 0, lidt [idt_pointer]
    FAULTS3 13, 0, lldt ax
    FAULTS3 13, 0, ltr ax
    FAULTS3 13, 0, lmsw ax
    FAULTS3 13, 0, clts
    FAULTS3 13, 0, invlpg [0]
    FAULTS3 13, 0, invd
    FAULTS3 13, 0, wbinvd
    FAULTS3 13, 0, mov eax, cr0
    FAULTS3 13, 0, mov cr3, eax
    FAULTS3 13, 0, mov eax, dr7
    FAULTS3 13, 0, rdmsr
    FAULTS3 13, 0, wrmsr

    # Segment registers read as loaded: RPL is CPL in CS and SS.
    jmp 2f
1:  mov eax, cs
    mov ebx, ss
    mov ecx, ds
    push cs
    pop edx
    push es
    pop esi
    mov [buffer], cs
    int 0x30
2:  RING3 1b
    and edx, 0xffff
    and esi, 0xffff
    EXPECT eax, CODE3
    EXPECT ebx, DATA3
    EXPECT ecx, DATA3
    EXPECT edx, CODE3
    EXPECT esi, DATA3
    movzx eax, word ptr [buffer]
    EXPECT eax, CODE3
    mov eax, cs
    EXPECT eax, CODE0

    # Loading segment registers at CPL 3.
    mov ecx, DATA0
    FAULTS3 13, DATA0, mov es, ecx
    mov ecx, DATA0 + 3
    FAULTS3 13, DATA0, mov ds, ecx
    mov ecx, DATA3
    OK3 mov gs, ecx
    xor ecx, ecx
    OK3 mov ds, ecx
    mov ecx, 3                      # any null selector
    OK3 mov fs, ecx
    EXPECT [exc_fs], 3
    FAULTS3 13, 0, mov ss, ecx
    mov ecx, TSS0
    FAULTS3 13, TSS0, mov es, ecx
    mov ecx, CODE3_XONLY + 3
    FAULTS3 13, CODE3_XONLY, mov es, ecx
    mov ecx, CODE3
    OK3 mov es, ecx
    mov ecx, ABSENT + 3
    FAULTS3 11, ABSENT, mov es, ecx
    mov ecx, 0x8003
    FAULTS3 13, 0x8000, mov es, ecx
    mov ecx, DATA3 - 1              # RPL 2 in SS at CPL 3
    FAULTS3 13, (DATA3-3), mov ss, ecx

    # Far transfers at CPL 3: the same ring works, an inner ring does not.
    jmp 2f
1:  call CODE3:OFFSET 3f
    int 0x30
3:  mov eax, 0x0fa7
    retf
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT eax, 0x0fa7
    .byte 0xeb, 7                   # over the far jump
4:  jmp CODE0:0
    RING3 4b
    EXPECT [exc_vector], 13
    EXPECT [exc_error], CODE0
    FAULTS3 13, (0x20*8+2), int 0x20
    FAULTS3 13, (13*8+2), int 13
    ret
    .section .data
    .balign 8
ldt:
    .word 0x777, 0, 0xf200, 0x0040
    .word 0, CODE0, 0xec00, 0       # a call gate, DPL 3
    .section .bss
    .balign 16
buffer: .skip 64
probe_lar: .skip 4
probe_lsl: .skip 4
probe_verr: .skip 4
probe_verw: .skip 4
probe_cpl3: .skip 4
