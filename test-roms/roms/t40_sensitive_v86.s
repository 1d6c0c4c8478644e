#! title = "Sensitive instructions in V86 mode at IOPL 0 and 3: which fault, which answer, with what"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 40, 18. SDM volume 2 for each; volume 3A, 20.2.
    .include "pm.inc"
    .include "pic.inc"
    .set V86_BASE, 0x10000

# Runs the instruction at 1000:0 with EFLAGS, UD2 behind it. Back with the event recorded; general registers pass.
.macro RUN eflags, insn:vararg
    jmp 777f
    .code16
776: \insn
775: ud2
    .code32
777: mov ecx, 32
    mov esi, OFFSET 776b
    mov edi, V86_BASE
    rep movsb
    ARM 779f
    pushd 0x4444
    pushd 0x3333
    pushd 0x2000
    pushd 0x2100
    pushd 0x2000
    pushd 0xff00
    pushd \eflags
    pushd 0x1000
    pushd 0
    mov eax, 0x11111111
    mov ebx, 0
    mov ecx, 0x22222222
    iretd
779: DISARM
.endm
.macro BOTH vector, eip, insn:vararg
    RUN 0x20002, \insn
    EXPECT [exc_vector], \vector
    EXPECT [exc_eip], \eip
    RUN 0x23002, \insn
    EXPECT [exc_vector], \vector
    EXPECT [exc_eip], \eip
.endm
.macro GP insn:vararg
    BOTH 13, 0, \insn
    EXPECT [exc_error], 0
    EXPECT eax, 0x11111111
.endm
.macro UD insn:vararg
    BOTH 6, 0, \insn
.endm
# Works at both; the event is the UD2 behind.
.macro OK insn:vararg
    BOTH 6, (775b-776b), \insn
.endm
# By IOPL.
.macro BY_IOPL insn:vararg
    RUN 0x20002, \insn
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], 0
    RUN 0x23002, \insn
    EXPECT [exc_vector], 6
    EXPECT [exc_eip], (775b-776b)
.endm

main:
    call pic_init                   # IF is set now and then
    mov dword ptr [rounds], 15
again:
    cld
    # Answers: the guest's table registers and CR0, not the host's.
    mov dword ptr [0x20010], -1
    mov dword ptr [0x20014], -1
    OK .byte 0x66, 0x0f, 0x01, 0x06, 0x10, 0x00     # SGDT [10h]
    movzx eax, word ptr [0x20010]
    EXPECT eax, (gdt_end-gdt-1)
    EXPECT [0x20012], (OFFSET gdt)
    OK .byte 0x66, 0x0f, 0x01, 0x0e, 0x10, 0x00     # SIDT
    movzx eax, word ptr [0x20010]
    EXPECT eax, 0x7ff
    EXPECT [0x20012], (OFFSET idt)
    OK smsw ax
    mov ecx, cr0
    and ecx, 0xffff
    or ecx, 0x11110000
    EXPECT eax, ecx
    OK mov ax, cs
    EXPECT eax, 0x11111000
    OK mov ax, ss
    EXPECT eax, 0x11112000
    OK mov ax, fs
    EXPECT eax, 0x11113333
    OK push gs
    movzx eax, word ptr [0x2fefe]
    EXPECT eax, 0x4444
    # Loads of segment registers are the 8086's.
    mov word ptr [0x30020], 0x5a5a
    OK .byte 0x68, 0x01, 0x30, 0x07, 0x26, 0xa1, 0x10, 0x00 # PUSH 3001h, POP ES, MOV AX, ES:[10h]
    EXPECT eax, 0x11115a5a
    mov dword ptr [0x20010], 0x30020000 + 0x1000
    mov word ptr [0x31020], 0x7b7b
    OK .byte 0xc5, 0x36, 0x10, 0x00, 0x8b, 0x04 # LDS SI, [10h], MOV AX, [SI]
    EXPECT eax, 0x11117b7b
    # Protected mode's own.
    UD sldt ax
    UD str ax
    UD lldt ax
    UD ltr ax
    UD verr ax
    UD verw ax
    UD lar ax, cx
    UD lsl ax, cx
    UD arpl ax, cx
    UD sldt [0]
    # Privileged.
    GP lgdt [0]
    GP lidt [0]
    GP lmsw ax
    GP clts
    GP hlt
    GP invd
    GP wbinvd
    GP invlpg [0]
    GP mov eax, cr0
    GP mov cr3, eax
    GP mov cr0, eax
    GP mov eax, dr7
    GP mov dr7, eax
    GP rdmsr
    GP wrmsr
    # Guarded by IOPL.
    BY_IOPL cli
    BY_IOPL sti
    BY_IOPL pushf
    BY_IOPL pushfd
    RUN 0x20002, popf
    EXPECT [exc_vector], 13
    EXPECT [exc_esp], 0xff00
    RUN 0x23002, .byte 0x68, 0xd7, 0x0e, 0x9d # PUSH 0ED7h, POPF
    EXPECT [exc_vector], 6
    mov eax, [exc_eflags]
    and eax, 0x23ed7
    EXPECT eax, 0x23ed7             # IOPL stays 3, IF changes
    RUN 0x20002, iret
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], 0
    RUN 0x20002, int 0x30
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    RUN 0x23002, int 0x30
    EXPECT [exc_vector], 0x30
    EXPECT [exc_eip], 2
    # I/O by the bitmap alone: there is none.
    GP in al, 0x61
    GP out 0x80, al
    GP insb
    GP outsb
    # Not guarded: CPUID, RDTSC (unless CR4.TSD).
    OK cpuid
    OK rdtsc
    mov eax, cr4
    or eax, 4
    mov cr4, eax
    GP rdtsc
    mov eax, cr4
    and eax, ~4
    mov cr4, eax
    # PUSHF at IOPL 3 shows IOPL 3 and no VM even in 32 bits.
    RUN 0x23002, pushfd
    EXPECT [0x2fefc], 0x3002
    # Far transfers are the 8086's, whatever the GDT says.
    mov dword ptr [0x10040], 0x0b0f # UD2 at 1004:0
    BOTH 6, 0, .byte 0xea, 0, 0, 4, 0x10
    EXPECT [exc_cs], 0x1004
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 4
rounds: .skip 4
