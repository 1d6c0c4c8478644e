#! title = "V86 mode with CR4.VME: VIF for IF, VIP, the redirection bitmap; CR4.PVI at CPL 3"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 18. SDM volume 3A, 20.3 and 20.4; volume 2, CLI, STI, PUSHF, POPF, IRET, INT n. A lazy monitor has V86 mode fault
# whatever CR4 says, or lets the guest's IF through.
    .include "pm.inc"
    .set V86_BASE, 0x10000
    .set VIF, 0x80000
    .set VIP, 0x100000
    .set IOPL3, 0x3000
    .set VM, 0x20002

.macro V86 from, to, eflags=VM
    cld
    mov esi, OFFSET \from
    mov edi, V86_BASE
    mov ecx, OFFSET \to
    sub ecx, OFFSET \from
    rep movsb
    ARM 779f
    pushd 0
    pushd 0
    pushd 0x2000
    pushd 0x1111
    pushd 0x2000
    pushd 0xff00
    pushd (\eflags)
    pushd 0x1000
    pushd 0
    mov eax, 0x1234
    iretd
779: DISARM
.endm
.macro IS_GP eip
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], \eip
.endm
.macro FLAGS_ARE want
    mov eax, [exc_eflags]
    and eax, VIF + VIP + 0x3300
    EXPECT eax, (\want)
.endm
.macro WORD_IS at, want
    movzx eax, word ptr [0x20000 + \at]
    EXPECT eax, \want
.endm
.macro CR4_IS bits
    mov eax, cr4
    and eax, ~3
    or eax, \bits
    mov cr4, eax
.endm
# Vector 21h of the 8086 program: 1000:0100. INT `n` is sent to it by a zero in the bitmap.
.macro REDIRECT n, protected
    and byte ptr [io_bitmap + \n / 8], ~(1 << (\n & 7)) & 255
    or byte ptr [io_bitmap + \n / 8], (\protected << (\n & 7))
.endm

main:
    .ifndef QEMU                    # (QEMU's TCG has no VME)
    mov eax, 1
    cpuid
    and edx, 2
    EXPECT edx, 2
    # The TSS: 32 bytes of redirection, then the I/O bitmap, all closed.
    mov edi, OFFSET io_bitmap
    mov ecx, 32
    mov al, 0xff
    rep stosb
    mov word ptr [tss + 102], 104 + 32
    DESC TSS0, tss, 104+32, 0x89, 0
    mov eax, TSS0
    ltr ax
    mov dword ptr [rounds], 20
again:
    CR4_IS 1
    mov dword ptr [0x21 * 4], 0x10000100
    mov dword ptr [0x10100], 0x9c061e9c     # PUSHF; PUSH DS; PUSH ES; PUSHF
    mov dword ptr [0x10104], 0x0b0f         # UD2
    # CLI, STI, PUSHF: VIF; IF stays; the image shows VIF as IF, and IOPL 3.
    V86 v_sti, v_sti_end
    EXPECT [exc_vector], 6
    FLAGS_ARE VIF
    WORD_IS 0xfefe, 0x3202
    V86 v_cli, v_cli_end, VM+VIF+0x200
    EXPECT [exc_vector], 6
    FLAGS_ARE 0x200
    WORD_IS 0xfefe, 0x3002
    # STI while an interrupt is pending for it: #GP, so that the monitor may deliver it. CLI and PUSHF do not mind.
    V86 v_sti, v_sti_end, VM+VIP
    IS_GP 0
    FLAGS_ARE VIP
    V86 v_cli, v_cli_end, VM+VIP+VIF
    EXPECT [exc_vector], 6
    FLAGS_ARE VIP
    # POPF: IF goes to VIF, IOPL is not touched; IF with VIP, and TF, are #GP with nothing done.
    V86 v_popf_if, v_popf_if_end
    EXPECT [exc_vector], 6
    FLAGS_ARE VIF
    mov eax, [exc_eflags]
    and eax, 0xcff
    EXPECT eax, 0x4d7 & 0xcff
    V86 v_popf_none, v_popf_none_end, VM+VIF+0x200
    EXPECT [exc_vector], 6
    FLAGS_ARE 0x200
    V86 v_popf_if, v_popf_if_end, VM+VIP
    IS_GP 3
    EXPECT [exc_esp], 0xfefe
    FLAGS_ARE VIP
    V86 v_popf_none, v_popf_none_end, VM+VIP+VIF
    EXPECT [exc_vector], 6
    FLAGS_ARE VIP
    V86 v_popf_tf, v_popf_tf_end
    IS_GP 3
    EXPECT [exc_esp], 0xfefe
    # The 32-bit forms fault as without VME.
    V86 v_pushfd, v_pushfd_end
    IS_GP 0
    V86 v_popfd, v_popfd_end
    IS_GP 0
    V86 v_iretd, v_iretd_end
    IS_GP 0
    # IRET: IF to VIF; with VIP or TF #GP and the frame is still there.
    V86 v_iret, v_iret_end
    EXPECT [exc_vector], 6
    EXPECT [exc_eip], (v_iret_there-v_iret)
    FLAGS_ARE VIF
    V86 v_iret, v_iret_end, VM+VIP
    IS_GP (v_iret_at-v_iret)
    EXPECT [exc_esp], 0xfefa
    # With IOPL 3 nothing of it: IF itself.
    V86 v_sti, v_sti_end, VM+IOPL3+VIP
    EXPECT [exc_vector], 6
    FLAGS_ARE VIP+0x3200
    WORD_IS 0xfefe, 0x3202
    V86 v_popf_none, v_popf_none_end, VM+IOPL3+VIF+0x200
    EXPECT [exc_vector], 6
    FLAGS_ARE VIF+0x3000

    # INT n. Bit clear: the 8086 program's own vector. FLAGS pushed with VIF as IF and IOPL 3; VIF cleared, IF not.
    REDIRECT 0x21, 0
    V86 v_int, v_int_end, VM+VIF+0x200
    EXPECT [exc_vector], 6
    EXPECT [exc_cs], 0x1000
    EXPECT [exc_eip], 0x104
    FLAGS_ARE 0x200
    WORD_IS 0xfefe, 0x3202
    WORD_IS 0xfefc, 0x1000
    WORD_IS 0xfefa, (v_int_after-v_int)
    WORD_IS 0xfef8, 0x3002          # its own PUSHF
    WORD_IS 0xfef6, 0x2000          # DS and ES are as they were
    WORD_IS 0xfef4, 0x1111
    EXPECT [exc_ss], 0x2000
    V86 v_int, v_int_end
    WORD_IS 0xfefe, 0x3002
    # With IOPL 3: FLAGS as they are, IF cleared, VIF left.
    V86 v_int, v_int_end, VM+IOPL3+VIF+0x200
    EXPECT [exc_vector], 6
    FLAGS_ARE VIF+0x3000
    WORD_IS 0xfefe, 0x3202
    # TF is cleared for the handler: no trap inside. (TF set by IRETD: the first trap comes after INT's own arrival.)
    # Bit set: the IDT if IOPL is 3, #GP(0) if not.
    REDIRECT 0x21, 1
    GATE 0x21, (vector_stubs+0x21*16), 0xee
    V86 v_int, v_int_end, VM+IOPL3+VIF
    EXPECT [exc_vector], 0x21
    EXPECT [exc_eip], (v_int_after-v_int)
    FLAGS_ARE VIF+0x3000
    V86 v_int, v_int_end
    IS_GP (v_int_at-v_int)
    # INT3 and INTO are not redirected.
    REDIRECT 3, 0
    REDIRECT 4, 0
    GATE 3, (vector_stubs+3*16), 0xee
    V86 v_int3, v_int3_end
    EXPECT [exc_vector], 3
    EXPECT [exc_eip], 1
    # INT 3 by CD 03 is.
    mov dword ptr [3 * 4], 0x10000100
    V86 v_cd3, v_cd3_end
    EXPECT [exc_vector], 6
    EXPECT [exc_eip], 0x104
    # Without VME the bitmap means nothing.
    REDIRECT 0x21, 0
    CR4_IS 0
    V86 v_int, v_int_end
    IS_GP (v_int_at-v_int)
    V86 v_int, v_int_end, VM+IOPL3
    EXPECT [exc_vector], 0x21
    V86 v_sti, v_sti_end
    IS_GP 0
    REDIRECT 3, 1
    REDIRECT 4, 1

    # PVI: at CPL 3 with IOPL below 3, CLI and STI change VIF; PUSHF and POPF are as ever.
    jmp 2f
1:  sti
    pushfd
    pop eax
    int 0x30
2:  CR4_IS 2
    RING3 1b
    EXPECT [exc_vector], 0x30
    FLAGS_ARE VIF
    and eax, 0x83200
    EXPECT eax, VIF
    RING3 1b, VIP+2
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 1b)
    jmp 2f
1:  cli
    int 0x30
2:  RING3 1b, VIF+VIP+0x202
    EXPECT [exc_vector], 0x30
    FLAGS_ARE VIP+0x200
    jmp 2f
1:  pushd 0x3202
    popfd
    int 0x30
2:  RING3 1b
    FLAGS_ARE 0
    jmp 2f
1:  sti
    int 0x30
2:  RING3 1b, 0x3002                # IOPL 3: IF
    FLAGS_ARE 0x3200
    CR4_IS 1                        # VME alone is nothing to protected mode
    RING3 1b
    EXPECT [exc_vector], 13
    CR4_IS 0
    # VIF and VIP are loaded by IRETD at CPL 0 only; POPFD leaves them at any CPL.
    jmp 2f
1:  pushd VIF+VIP+2
    push CODE3
    pushd OFFSET 3f
    iretd
3:  int 0x30
2:  RING3 1b
    EXPECT [exc_vector], 0x30
    FLAGS_ARE 0
    pushd VIF+VIP+2
    popfd
    pushfd
    pop eax
    EXPECT eax, 2
    dec dword ptr [rounds]
    jnz again
    .endif
    ret

    .code16
v_sti: sti
    pushf
    ud2
v_sti_end:
v_cli: cli
    pushf
    ud2
v_cli_end:
v_popf_if: push 0x6d7
    popf
    ud2
v_popf_if_end:
v_popf_none: push 2
    nop
    popf
    ud2
v_popf_none_end:
v_popf_tf: push 0x102
    popf
    ud2
v_popf_tf_end:
v_pushfd: pushfd
    ud2
v_pushfd_end:
v_popfd: popfd
    ud2
v_popfd_end:
v_iretd: iretd
v_iretd_end:
v_iret:
    push 0x202
    push cs
    push v_iret_there - v_iret
v_iret_at: iret
    nop
v_iret_there: ud2
v_iret_end:
v_int: nop
v_int_at: int 0x21
v_int_after: nop
    ud2
v_int_end:
v_int3: int3
    ud2
v_int3_end:
v_cd3: .byte 0xcd, 3
    ud2
v_cd3_end:
    .code32

    .section .bss
    .balign 4
rounds: .skip 4
