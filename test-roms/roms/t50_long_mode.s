#! title = "long mode: into 64-bit code and out again, gates with stacks of their own, SYSCALL, compatibility mode, rights of four levels"
#! load = "multiboot"
#! cpu = "x86-64-v1"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 4.5, 5.8.8, 6.14, 7.7, 9.8.5.
    .include "pm.inc"
    .set CODE64, 0x30
    .set USER32, 0x3b               # SYSRET's: code of 32 bits, data, code of 64 bits
    .set USERDATA, 0x43
    .set USER64, 0x4b
    .set TASK64, 0x50               # 16 bytes
    .set EFER, 0xc0000080
    .set HIGH_HALF, 0xffff800000000000
    .set HIGH_TOP, 0xffff8000
    # The tables map 2 MiB to themselves and to the upper half, for anybody; and one page of the supervisor's, not to be executed.
    .set SHIELD, 0x200000

# PUT address, value, high: a quadword.
.macro PUT address, value, high=0
    mov dword ptr [\address], OFFSET \value
    mov dword ptr [\address + 4], \high
.endm

# GATE64 vector, handler, IST, type
.macro GATE64 vector, handler, ist=0, type=0x8e
    mov eax, OFFSET \handler
    mov [idt64 + \vector * 16], ax
    mov word ptr [idt64 + \vector * 16 + 2], CODE64
    mov byte ptr [idt64 + \vector * 16 + 4], \ist
    mov byte ptr [idt64 + \vector * 16 + 5], \type
    shr eax, 16
    mov [idt64 + \vector * 16 + 6], ax
    mov dword ptr [idt64 + \vector * 16 + 8], HIGH_TOP
.endm

# MSR number, low, high
.macro MSR number, low, high=0
    mov ecx, \number
    mov eax, \low
    mov edx, \high
    wrmsr
.endm

main:
    mov eax, 0x80000001
    cpuid
    shr edx, 29
    and edx, 1
    EXPECT edx, 1
    call tables
    DESC CODE64, 0, 0, 0x9b, 0xa0
    DESC USER32, 0, 0xfffff, 0xfb, 0xc0
    DESC USERDATA, 0, 0xfffff, 0xf3, 0xc0
    DESC USER64, 0, 0, 0xfb, 0xa0
    DESC TASK64, task, 103, 0x89, 0
    mov dword ptr [gdt + TASK64 + 8], HIGH_TOP
    GATE64 6, on_ud, 1
    GATE64 13, on_gp
    GATE64 14, on_pf
    GATE64 0x40, on_call, 0, 0xee
    PUT task+4, stack0_irq_top, HIGH_TOP
    PUT task+36, ist_top, HIGH_TOP
    mov eax, cr4
    or eax, 0x20                    # PAE
    mov cr4, eax
    MSR EFER, 0x101                 # LME, SCE
    mov eax, OFFSET pml4
    mov cr3, eax
    mov dword ptr [per_cpu + 8], 0x13579bdf
    lidt [idt64_pointer]
    mov eax, cr0
    or eax, 0x80010000              # PG, WP
    mov cr0, eax
    mov ecx, EFER
    rdmsr
    EXPECT eax, 0x501
    # Compatibility mode: 32-bit code, as before.
    EXPECT [multiboot_magic], 0x2badb002
    jmp CODE64:OFFSET in_64

back_in_32:
    # What 64-bit code found.
    call load_flat_segments
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov ecx, EFER
    rdmsr
    EXPECT eax, 0x901               # LMA is gone, the others stay
    MSR EFER, 0
    mov eax, cr4
    and eax, ~0x20
    mov cr4, eax
    lidt [idt_pointer]
    EXPECT [found], 0x76543210      # R9's upper half by RIP-relative addressing
    EXPECT [found + 4], 0xfedcba98
    EXPECT [ud_error], 0x1d         # the frame's place on the interrupt stack, aligned
    EXPECT [ud_ss], DATA0
    EXPECT [gp_error], 0            # a load from an address that is not canonical
    EXPECT [pf_error], 0x11         # a fetch from the page that forbids it
    EXPECT [pf_address], SHIELD + 0x10
    EXPECT [pf_user_error], 5       # CPL 3's read of the supervisor's page
    EXPECT [called], 2              # INT 40h from CPL 3, in 64-bit code and in compatibility mode
    EXPECT [call_cs], USER64
    EXPECT [call_cs + 4], USER32
    EXPECT [syscall_flags], 0x203   # what R11 kept
    EXPECT [gs_value], 0x13579bdf   # by the base that SWAPGS brought
    # And the state of long mode is over: an exception comes by the 32-bit IDT.
    FAULTS 6, 0, ud2
    mov esp, OFFSET stack0_top - 4  # where `main` was called
    ret

# Page tables: 2 MiB by pages of 4 KiB in the first table, for anybody, at 0 and in the upper half.
tables:
    PUT pml4, pdpt+7
    PUT pml4+256*8, pdpt+7
    PUT pdpt, directory+7
    PUT directory, table+7
    PUT directory+8, shield_table+7
    PUT shield_table, frame+3       # (execute-disable comes with NXE)
    mov edi, OFFSET table
    mov eax, 7
1:  mov [edi], eax
    mov dword ptr [edi + 4], 0
    add eax, 0x1000
    add edi, 8
    cmp eax, 0x200000
    jb 1b
    ret

    .arch generic64
    .code64
in_64:
    mov eax, DATA0
    mov ds, eax
    mov es, eax
    mov eax, TASK64
    ltr ax
    # To the upper half, by an indirect jump.
    mov eax, OFFSET in_high
    movabs rbx, HIGH_HALF
    add rax, rbx
    jmp rax
in_high:
    movabs rbx, 0xfedcba9876543210
    mov r9, rbx
    mov [rip + found], r9
    # NX, now that the tables may say so.
    mov ecx, EFER
    rdmsr
    or eax, 0x800
    wrmsr
    bts qword ptr [rip + shield_table], 63
    mov rax, cr3
    mov cr3, rax
    # #UD, on its own stack.
    ud2
after_ud:
    # #GP from an address that is not canonical.
    movabs rax, 0x800000000000
    mov rcx, [rax]
after_gp:
    mov eax, OFFSET after_fetch
    mov [rip + resume], rax
    mov eax, SHIELD + 0x10
    jmp rax
after_fetch:
    # User code by SYSRET, back by SYSCALL.
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, CODE64 + ((USER32) << 16)
    wrmsr
    mov ecx, 0xc0000082
    mov eax, OFFSET on_syscall
    mov edx, HIGH_TOP
    wrmsr
    mov ecx, 0xc0000084
    mov eax, 0x200
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000102
    mov eax, OFFSET per_cpu
    mov edx, HIGH_TOP
    wrmsr
    mov ecx, OFFSET in_user
    mov r11d, 0x203
    mov esp, OFFSET stack3_top
    sysretq

in_user:
    mov eax, OFFSET after_shield
    mov [rip + resume], rax
    mov ecx, SHIELD
    mov eax, [rcx]
after_shield:
    int 0x40
    # Compatibility mode, and back.
    push USER32
    mov eax, OFFSET in_user32
    push rax
    retfq
back_in_user64:
    push 0x203
    popfq
    syscall

    .code32
in_user32:
    int 0x40
    jmp USER64:OFFSET back_in_user64

    .code64
on_syscall:
    mov [rip + syscall_flags], r11d
    swapgs
    mov eax, gs:[8]
    mov [rip + gs_value], eax
    swapgs
    mov esp, OFFSET stack0_top - 64
    # Out again: a far return to 32-bit code of CPL 0.
    push CODE0
    mov eax, OFFSET back_in_32
    push rax
    retfq

on_ud:
    # 40 bytes of frame under an aligned top, and where it is in its stack.
    mov eax, OFFSET ist_top
    movabs rbx, HIGH_HALF
    add rax, rbx
    sub rax, rsp
    sub eax, 11
    mov [rip + ud_error], eax
    mov eax, [rsp + 32]
    mov [rip + ud_ss], eax
    mov eax, OFFSET after_ud
    mov [rsp], rax
    iretq

on_gp:
    pop qword ptr [rip + gp_error]
    mov eax, OFFSET after_gp
    mov [rsp], rax
    iretq

# The first fault is of CPL 0, the second of CPL 3.
on_pf:
    mov rax, cr2
    test byte ptr [rsp + 16], 3
    jnz 1f
    mov [rip + pf_address], eax
    pop rax
    mov [rip + pf_error], eax
    jmp 2f
1:  pop rax
    mov [rip + pf_user_error], eax
2:  mov rax, [rip + resume]
    mov [rsp], rax
    iretq

on_call:
    mov eax, [rip + called]
    mov edx, [rsp + 8]
    lea rcx, [rip + call_cs]
    mov [rcx + rax * 4], edx
    inc dword ptr [rip + called]
    iretq

    .section .data
    .balign 4
    .word 0
idt64_pointer:
    .word 0x41 * 16 - 1
    .long idt64
    .long HIGH_TOP

    .section .bss
    .balign 4096
pml4: .skip 4096
pdpt: .skip 4096
directory: .skip 4096
table: .skip 4096
shield_table: .skip 4096
frame: .skip 4096
    .balign 16
idt64: .skip 0x41 * 16
task: .skip 104
per_cpu: .skip 8
    .long 0
found: .skip 8
resume: .skip 8
gp_error: .skip 8
ud_error: .skip 4
ud_ss: .skip 4
pf_error: .skip 4
pf_address: .skip 4
pf_user_error: .skip 4
called: .skip 4
call_cs: .skip 8
syscall_flags: .skip 4
gs_value: .skip 4
    .skip 1024
    .balign 16
ist_top:
    .text
