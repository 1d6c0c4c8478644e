#! title = "The accessed bit of CS and SS by every transfer, the busy bit; these writes fault on a read-only table"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 12. SDM volume 3A, 3.4.5.1, 7.2.2 (TSS descriptor), 4.6 (supervisor writes with CR0.WP). A lazy emulator never writes
# the table, or writes after it has committed. QEMU leaves the accessed bit of far transfers' code segments.
    .include "pm.inc"
    .include "paging.inc"
    .set C, SPARE                   # code, ring 0
    .set C3, SPARE + 8 + 3          # code, ring 3
    .set D3, SPARE + 0x10 + 3       # data, ring 3
    .set TSS_B, SPARE + 0x18
    .set G, SPARE + 0x20            # call gate to C
    .set S0, SPARE + 0x28           # the ring-0 stack
    .set GDT_LIN, WINDOW + 0x4000

.macro FRESH
    DESC C, 0, 0xfffff, 0x9a, 0xc0
    DESC C3, 0, 0xfffff, 0xfa, 0xc0
    DESC D3, 0, 0xfffff, 0xf2, 0xc0
    DESC S0, 0, 0xfffff, 0x92, 0xc0
.endm
.macro ACCESS_BYTE selector, want
    movzx eax, byte ptr [gdt + (\selector & 0xfff8) + 5]
    EXPECT eax, \want
.endm

main:
    mov dword ptr [gdt + G], (C << 16) + 0
    mov dword ptr [gdt + G + 4], 0x8c00
    mov eax, OFFSET gate_target
    mov [gdt + G], ax
    shr eax, 16
    mov [gdt + G + 6], ax
    mov dword ptr [rounds], 16
again:
    # What loads CS: JMP, CALL, RETF, IRET, a call gate, an interrupt gate.
    .ifndef QEMU
    FRESH
    jmp C:OFFSET 1f
1:  jmp CODE0:OFFSET 1f
1:  ACCESS_BYTE C, 0x9b
    FRESH
    call C:OFFSET retf_here
    ACCESS_BYTE C, 0x9b
    FRESH
    push C
    pushd OFFSET 1f
    retf
1:  jmp CODE0:OFFSET 1f
1:  ACCESS_BYTE C, 0x9b
    FRESH
    pushfd
    push C
    pushd OFFSET 1f
    iretd
1:  jmp CODE0:OFFSET 1f
1:  ACCESS_BYTE C, 0x9b
    FRESH
    call G:0
    ACCESS_BYTE C, 0x9b
    FRESH
    GATE 0x21, iret_here, 0x8e, C
    int 0x21
    ACCESS_BYTE C, 0x9b
    .endif
    # IRET outwards: CS and SS; the way in: SS from the TSS.
    FRESH
    mov dword ptr [tss + 8], S0
    ARM 1f
    push D3
    pushd OFFSET stack3_top
    pushd 2
    push C3
    pushd OFFSET polite
    iretd
1:  DISARM
    EXPECT [exc_vector], 0x30
    .ifndef QEMU
    ACCESS_BYTE C3, 0xfb
    ACCESS_BYTE D3, 0xf3
    ACCESS_BYTE S0, 0x93
    .endif
    mov dword ptr [tss + 8], DATA0
    # A refused transfer writes nothing: EIP beyond the limit is checked after, but a wrong type or DPL before.
    FRESH
    FAULTS 13, D3-3, jmp D3:0
    ACCESS_BYTE D3, 0xf2
    FAULTS 13, C3-3, jmp C3:0
    ACCESS_BYTE C3, 0xfa
    # LAR, LSL, VERR, VERW look only.
    mov eax, C
    lar ebx, eax
    lsl ebx, eax
    verr ax
    verw ax
    ACCESS_BYTE C, 0x9a
    # LTR sets busy in the table; a busy TSS is refused.
    DESC TSS_B, tss_b, 103, 0x89, 0
    mov eax, TSS_B
    ltr ax
    ACCESS_BYTE TSS_B, 0x8b
    mov eax, TSS_B
    FAULTS 13, TSS_B, ltr ax
    and byte ptr [gdt + TSS0 + 5], 0xfd
    mov eax, TSS0
    ltr ax
    dec dword ptr [rounds]
    jnz again

    # The table read-only for the supervisor too.
    FRESH
    DESC TSS_B, tss_b, 103, 0x89, 0
    mov dword ptr [tss_b + 80], DATA0
    call paging_on
    mov esi, OFFSET gdt
    mov edi, OFFSET wp_gdt
    mov ecx, 64
    rep movsd
    MAP 4, wp_gdt, P
    mov word ptr [pointer], gdt_end - gdt - 1
    mov dword ptr [pointer + 2], GDT_LIN
    lgdt [pointer]
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    FLUSH
    mov dword ptr [rounds], 16
ro_again:
    mov ebp, esp
    .macro RO_FAULTS selector, insn:vararg
    FAULTS 14, 3, \insn
    mov eax, cr2                    # in the descriptor's second half
    and eax, ~3
    EXPECT eax, (GDT_LIN+(\selector & 0xfff8)+4)
    mov eax, cs
    EXPECT eax, CODE0
    .endm
    .ifndef QEMU
    RO_FAULTS C, jmp C:OFFSET main
    RO_FAULTS C, call C:OFFSET main
    EXPECT esp, ebp
    push C
    pushd OFFSET main
    RO_FAULTS C, retf
    EXPECT "dword ptr [esp + 4]", C
    add esp, 8
    RO_FAULTS C, call G:0
    EXPECT esp, ebp
    pushfd
    push C
    pushd OFFSET main
    RO_FAULTS C, iretd
    add esp, 12
    RO_FAULTS C, int 0x21
    .endif
    mov eax, TSS_B
    RO_FAULTS TSS_B, ltr ax
    str eax
    EXPECT eax, TSS0
    .ifndef QEMU                    # (QEMU marks it after it has switched)
    RO_FAULTS TSS_B, call TSS_B:0
    str eax
    EXPECT eax, TSS0
    movzx eax, byte ptr [wp_gdt + TSS_B + 5]
    EXPECT eax, 0x89
    mov eax, cr0
    and eax, 8                      # no switch, no TS
    EXPECT eax, 0
    .endif
    dec dword ptr [rounds]
    jnz ro_again
    # Accessed already: a read is enough.
    or byte ptr [wp_gdt + C + 5], 1
    jmp C:OFFSET 1f
1:  jmp CODE0:OFFSET 1f
1:  ret

polite: int 0x30
gate_target:
retf_here: retf
iret_here: iretd

    .section .bss
    .balign 4096
wp_gdt: .skip 4096
tss_b: .skip 104
pointer: .skip 8
rounds: .skip 4
