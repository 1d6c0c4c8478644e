#! title = "Virtual 8086 mode: entry and exit, INT reflection, IOPL, I/O, segments, faults"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 17, 18, 31. SDM volume 3A, chapter 20.
    .include "pm.inc"
    .set V86_BASE, 0x10000          # code at 1000:0000
    .set V86_STACK, 0x2000          # 2000:FF00

# Copies the code between two labels to 1000:0 and runs it in V86 mode with the given EFLAGS; back at the first event.
.macro V86 from, to, eflags=0x20002
    mov esi, OFFSET \from
    mov edi, V86_BASE
    mov ecx, OFFSET \to
    sub ecx, OFFSET \from
    rep movsb
    ARM 779f
    pushd 0x4444                    # GS, FS, DS, ES
    pushd 0x3333
    pushd 0x2000
    pushd 0x1111
    pushd V86_STACK
    pushd 0xff00
    pushd \eflags
    pushd 0x1000
    pushd 0
    mov eax, 0x11112222
    iretd
779: DISARM
.endm

main:
    # INT 30h at IOPL 3 goes through the IDT: the event's frame holds the V86 segments, DS .. GS are null in the handler.
    V86 v1, v1_end, 0x23002
    EXPECT [exc_vector], 0x30
    EXPECT [exc_cs], 0x1000
    EXPECT [exc_eip], (v1_end-v1)
    EXPECT [exc_ss], V86_STACK
    EXPECT [exc_esp], 0xfefe
    mov eax, [exc_eflags]
    and eax, 0x23000
    EXPECT eax, 0x23000
    mov ebx, [exc_frame]
    mov eax, [ebx + 20]
    EXPECT eax, 0x1111              # ES, DS, FS, GS as pushed above SS
    mov eax, [ebx + 24]
    EXPECT eax, 0x2000
    mov eax, [ebx + 28]
    EXPECT eax, 0x3333
    mov eax, [ebx + 32]
    EXPECT eax, 0x4444
    movzx eax, word ptr [exc_ds]
    EXPECT eax, 0
    movzx eax, word ptr [exc_es]
    EXPECT eax, 0
    movzx eax, word ptr [exc_gs]
    EXPECT eax, 0
    EXPECT [exc_frame], (OFFSET stack0_irq_top-36)
    # What the code did: 16-bit, segments by shifting.
    movzx eax, word ptr [0x20010]
    EXPECT eax, 0x2222
    movzx eax, word ptr [0x2fefe]
    EXPECT eax, 0x1000              # its CS, pushed

    # IOPL below 3: CLI, STI, PUSHF, POPF, INT n, IRET are #GP(0). INT3 and INTO are not: they go by the gate's DPL.
    V86 v_cli, v_cli_end
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], 0
    V86 v_sti, v_sti_end
    EXPECT [exc_vector], 13
    V86 v_pushf, v_pushf_end
    EXPECT [exc_vector], 13
    V86 v_popf, v_popf_end
    EXPECT [exc_vector], 13
    V86 v_iret, v_iret_end
    EXPECT [exc_vector], 13
    V86 v1, v1_end
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (v1_int-v1)
    V86 v_int3, v_int3_end          # DPL 0 gate: #GP with the vector
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 3*8+2
    GATE 3, (vector_stubs+3*16), 0xee
    V86 v_int3, v_int3_end
    EXPECT [exc_vector], 3
    EXPECT [exc_eip], 1

    # At IOPL 3 they work, except that POPF cannot change IOPL or VM.
    V86 v_flags, v_flags_end, 0x23002
    EXPECT [exc_vector], 0x30
    movzx eax, word ptr [0x20020]
    EXPECT eax, 0x3202              # after STI
    movzx eax, word ptr [0x20022]
    EXPECT eax, 0x3002              # after CLI and a POPF that wanted IOPL 0
    mov eax, [exc_eflags]
    and eax, 0x23000
    EXPECT eax, 0x23000

    # Privileged instructions; those that V86 mode does not know.
    V86 v_hlt, v_hlt_end, 0x23002
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    V86 v_mov_cr, v_mov_cr_end, 0x23002
    EXPECT [exc_vector], 13
    V86 v_lldt, v_lldt_end, 0x23002
    EXPECT [exc_vector], 6
    V86 v_str, v_str_end, 0x23002
    EXPECT [exc_vector], 6
    V86 v_smsw, v_smsw_end          # SMSW is allowed
    EXPECT [exc_vector], 6          # (its UD2)
    mov ecx, cr0
    movzx eax, word ptr [0x20030]
    and ecx, 0xffff
    EXPECT eax, ecx

    # I/O goes by the bitmap, whatever IOPL is: the TSS has none here.
    V86 v_in, v_in_end, 0x23002
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    mov edi, OFFSET io_bitmap
    mov ecx, 8193
    xor eax, eax
    rep stosb
    DESC TSS0, tss, 104+8192, 0x89, 0
    mov eax, TSS0
    ltr ax
    V86 v_in, v_in_end
    EXPECT [exc_vector], 6

    .ifndef QEMU
    # Beyond 64 KiB of a segment: #GP; of the stack: #SS.
    V86 v_limit, v_limit_end
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    .endif
    # FFFF:FFFF reaches over 1 MiB: 10FFEFh.
    V86 v_high, v_high_end
    movzx eax, byte ptr [0x20040]
    movzx ecx, byte ptr [0x10ffef]  # (whatever this image has there)
    EXPECT eax, ecx

    # An interrupt handler may go back into V86 mode by IRET: resumed at its next instruction.
    GATE 0x31, bounce, 0xee
    V86 v_bounce, v_bounce_end, 0x23002
    EXPECT [exc_vector], 0x30
    movzx eax, word ptr [0x20050]
    EXPECT eax, 0x1112
    # IRET to V86 is for CPL 0 only: at CPL 3 the VM bit in the popped flags is ignored.
    .ifndef QEMU                    # (QEMU obeys it)
    jmp 2f
1:  pushd DATA3
    pushd OFFSET stack3_top
    pushd 0x20002
    pushd CODE3
    pushd OFFSET 3f
    iretd
3:  mov eax, cs
    int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT eax, CODE3
    .endif
    ret

bounce:
    inc word ptr ss:[esp + 20]      # ES as V86 code will see it
    iretd

    .code16
v1: mov ds:[0x10], ax
    push cs
v1_int:
    int 0x30
v1_end:
v_cli: cli
    ud2
v_cli_end:
v_sti: sti
    ud2
v_sti_end:
v_pushf: pushf
    ud2
v_pushf_end:
v_popf: popf
    ud2
v_popf_end:
v_iret: iret
v_iret_end:
v_int3: int3
    ud2
v_int3_end:
v_flags:
    sti
    pushf
    pop word ptr ds:[0x20]
    cli
    push 2
    popf
    pushf
    pop word ptr ds:[0x22]
    int 0x30
v_flags_end:
v_hlt: hlt
v_hlt_end:
v_mov_cr: mov eax, cr0
v_mov_cr_end:
v_lldt: lldt ax
v_lldt_end:
v_str: str ax
v_str_end:
v_smsw: smsw ax
    mov ds:[0x30], ax
    ud2
v_smsw_end:
v_in: in al, 0x61
    ud2
v_in_end:
v_limit: mov ax, ds:[0xffff]
    ud2
v_limit_end:
v_high: mov ax, 0xffff
    mov es, ax
    mov al, es:[0xffff]
    mov ds:[0x40], al
    ud2
v_high_end:
v_bounce: int 0x31
    mov ds:[0x50], es
    int 0x30
v_bounce_end:
