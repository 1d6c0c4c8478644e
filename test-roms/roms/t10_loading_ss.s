#! title = "Loading segment registers: #GP, #SS, #NP by privilege, type, presence; the accessed bit; null selectors in use"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 10, 12, 9. SDM volume 2, MOV and LDS; volume 3A, 5.4.1 (null selectors), 5.5 to 5.7, 3.4.5.1 (the accessed bit).
    .include "pm.inc"
    .include "paging.inc"
    .set S, SPARE

# SS takes a selector with descriptor access byte `access`: vector and error code of the refusal, or OK.
.macro SS_REFUSES vector, access, rpl=0
    DESC S, 0, 0xfffff, \access, 0xc0
    mov eax, S + \rpl
    FAULTS \vector, S, mov ss, eax
    mov eax, ss
    EXPECT eax, DATA0
.endm
.macro SS_TAKES access
    DESC S, 0, 0xfffff, \access, 0xc0
    mov eax, S
    mov ss, eax
    mov ebx, ss
    mov eax, DATA0
    mov ss, eax
    EXPECT ebx, S
.endm
.macro DS_REFUSES vector, access, rpl=0
    DESC S, 0, 0xfffff, \access, 0xc0
    mov eax, S + \rpl
    FAULTS \vector, S, mov gs, eax
.endm
.macro DS_TAKES access, rpl=0
    DESC S, 0, 0xfffff, \access, 0xc0
    mov eax, S + \rpl
    mov gs, eax
    mov ebx, gs
    EXPECT ebx, S+\rpl
.endm

main:
    SS_TAKES 0x92
    SS_TAKES 0x93
    SS_REFUSES 13, 0x90             # read-only
    SS_REFUSES 13, 0x9a             # code
    SS_REFUSES 13, 0xf2             # DPL 3
    SS_REFUSES 13, 0x92, 3          # RPL 3
    SS_REFUSES 12, 0x12             # absent, otherwise good
    SS_REFUSES 13, 0x10             # absent and read-only: the type comes first
    SS_REFUSES 13, 0x72             # absent and DPL 3
    SS_REFUSES 13, 0x82             # an LDT
    SS_REFUSES 13, 0x89             # a TSS
    DS_TAKES 0x90
    DS_TAKES 0x92
    DS_TAKES 0x9a                   # readable code
    DS_TAKES 0xf2
    DS_TAKES 0xf2, 3
    DS_REFUSES 13, 0x98             # execute-only
    DS_REFUSES 11, 0x12
    DS_REFUSES 13, 0x92, 3          # RPL beyond DPL
    DS_REFUSES 13, 0x82
    DS_TAKES 0x9e, 3                # conforming code does not mind
    DS_REFUSES 11, 0x1e, 3

    # Null selectors load; a use is #GP(0), for SS the load is.
    xor eax, eax
    mov gs, eax
    .ifndef QEMU                    # (QEMU checks nothing when a segment is used)
    FAULTS 13, 0, mov al, gs:[0]
    xor eax, eax
    mov gs, eax
    FAULTS 13, 0, mov byte ptr gs:[ebx], 1
    mov eax, 2
    mov fs, eax
    FAULTS 13, 0, mov eax, fs:[ebx]
    .byte 0x64, 0x8d, 0x03          # LEA EAX, FS:[EBX] uses no segment
    xor eax, eax
    ARM 1f
    mov es, eax
    mov edi, OFFSET scratch
2:  stosb
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (OFFSET 2b)
    .endif
    mov eax, DATA0
    mov es, eax
    xor ecx, ecx
    FAULTS 13, 0, mov ss, ecx

    # Loading sets the accessed bit; only a load that succeeds does.
    DESC S, 0, 0xfffff, 0x92, 0xc0
    mov eax, S
    lar ebx, eax                    # LAR and VERR do not
    verw ax
    movzx ebx, byte ptr [gdt + S + 5]
    EXPECT ebx, 0x92
    mov gs, eax
    movzx ebx, byte ptr [gdt + S + 5]
    EXPECT ebx, 0x93
    DESC S, 0, 0xfffff, 0x12, 0xc0
    FAULTS 11, S, mov gs, eax
    movzx ebx, byte ptr [gdt + S + 5]
    EXPECT ebx, 0x12
    DESC S, 0, 0xfffff, 0x9a, 0xc0
    jmp S:OFFSET 1f
1:
    .ifndef QEMU                    # (QEMU's far jumps leave it)
    movzx ebx, byte ptr [gdt + S + 5]
    EXPECT ebx, 0x9b
    .endif
    jmp CODE0:OFFSET 1f
1:
    # A read-only GDT page: the load needs to write when A is clear, not when it is set.
    mov dword ptr [wp_gdt], 0
    mov dword ptr [wp_gdt + 4], 0
    mov esi, OFFSET gdt
    mov edi, OFFSET wp_gdt
    mov ecx, 2 * 16
    rep movsd
    mov dword ptr [wp_gdt + S], 0x0000ffff
    mov dword ptr [wp_gdt + S + 4], 0x00cf9200
    mov dword ptr [wp_gdt + S + 8], 0x0000ffff
    mov dword ptr [wp_gdt + S + 12], 0x00cf9300
    call paging_on
    MAP 4, wp_gdt, P
    mov word ptr [pointer], 255
    mov dword ptr [pointer + 2], WINDOW + 0x4000
    lgdt [pointer]
    mov eax, S + 8
    mov gs, eax
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    FLUSH
    mov eax, S + 8
    mov gs, eax                     # accessed already: a read is enough
    mov eax, S
    FAULTS 14, 3, mov gs, eax
    mov eax, cr2                    # somewhere in the descriptor's second half
    and eax, ~3
    EXPECT eax, (WINDOW+0x4000+S+4)
    mov eax, cr0
    and eax, ~0x10000
    mov cr0, eax
    mov eax, S
    mov gs, eax
    movzx ebx, byte ptr [wp_gdt + S + 5]
    EXPECT ebx, 0x93
    lgdt [gdt_pointer]

    # LDS, LES, LSS, LFS, LGS load both or nothing.
    mov dword ptr [scratch], 0x1234567
    mov word ptr [scratch + 4], DATA3
    lgs ebx, [scratch]
    EXPECT ebx, 0x1234567
    mov eax, gs
    EXPECT eax, DATA3
    mov word ptr [scratch + 4], 0x8000
    mov ebx, 9
    FAULTS 13, 0x8000, lgs ebx, [scratch]
    EXPECT ebx, 9
    FAULTS 13, 0x8000, lss ebx, [scratch]
    EXPECT ebx, 9
    ret

    .section .bss
    .balign 4096
wp_gdt: .skip 4096
scratch: .skip 16
pointer: .skip 8
