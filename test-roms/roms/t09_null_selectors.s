#! title = "Null selectors: they load, every use is #GP(0) with nothing done, and what uses no segment works"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 9. SDM volume 3A, 5.4.1. A lazy translator treats a flat-looking or forgotten segment as base 0. QEMU checks
# nothing when a segment is used.
    .include "pm.inc"

# The instruction must be #GP(0) at itself with `register` null beforehand.
.macro REFUSED register, insn:vararg
    xor ebp, ebp
    ARM 779f
    mov \register, ebp
778: \insn
779: DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 778b)
.endm
.macro RESTORE
    push DATA0
    pop ds
    push DATA0
    pop es
.endm

main:
    mov dword ptr [rounds], 20
again:
    mov dword ptr [scratch], 0x12345678
    mov ebx, OFFSET scratch
    # All four null selectors (RPL 0 to 3) load and read back.
    mov eax, 3
1:  mov gs, eax
    mov ecx, gs
    EXPECT ecx, eax
    push eax
    pop fs
    mov ecx, fs
    EXPECT ecx, eax
    dec eax
    jns 1b
    mov dword ptr [far_pointer], 0x777
    mov word ptr [far_pointer + 4], 2
    lgs ecx, [far_pointer]
    EXPECT ecx, 0x777
    mov ecx, gs
    EXPECT ecx, 2
    .byte 0x65, 0x8d, 0x43, 0x04    # LEA EAX, GS:[EBX + 4]
    sub eax, 4
    EXPECT eax, ebx
    .ifndef QEMU
    REFUSED gs, mov al, gs:[ebx]
    REFUSED gs, mov gs:[ebx], al
    REFUSED fs, add dword ptr fs:[ebx], 1
    REFUSED fs, cmp dword ptr fs:[ebx], 1
    REFUSED gs, push dword ptr gs:[ebx]
    REFUSED gs, pop dword ptr gs:[ebx]
    REFUSED gs, xchg gs:[ebx], eax
    REFUSED gs, lock inc dword ptr gs:[ebx]
    REFUSED gs, call dword ptr gs:[ebx]
    REFUSED gs, jmp dword ptr gs:[ebx]
    REFUSED gs, fld dword ptr gs:[ebx]
    REFUSED gs, movq mm0, gs:[ebx]
    REFUSED gs, bt dword ptr gs:[ebx], 3
    REFUSED gs, sgdt gs:[ebx]
    EXPECT [scratch], 0x12345678
    # Through DS by default, through ES for strings. The checks' own operands need DS again (the recorder gave it back).
    REFUSED ds, mov eax, [ebx]
    REFUSED ds, mov [ebx], eax
    REFUSED ds, xlatb
    mov esi, OFFSET scratch
    mov edi, OFFSET scratch + 8
    mov ecx, 3
    REFUSED ds, lodsd
    EXPECT esi, (OFFSET scratch)
    REFUSED es, stosd
    EXPECT edi, (OFFSET scratch+8)
    REFUSED es, scasb
    REFUSED es, movsd
    EXPECT esi, (OFFSET scratch)
    REFUSED es, cmpsb
    REFUSED es, rep stosb
    EXPECT ecx, 3
    EXPECT edi, (OFFSET scratch+8)
    REFUSED ds, rep movsb
    EXPECT ecx, 3
    EXPECT [scratch + 8], 0
    .endif
    # A count of zero touches nothing.
    xor ecx, ecx
    mov es, ecx
    rep stosb
    RESTORE
    # The stack does not care about DS: EBP's default segment is SS.
    push 0x1357
    mov ebp, esp
    xor eax, eax
    mov ds, eax
    mov ecx, [ebp]
    RESTORE
    pop edx
    EXPECT ecx, 0x1357
    # At CPL 3 the same.
    .ifndef QEMU
    jmp 2f
1:  xor eax, eax
    mov fs, eax
    mov eax, 0x99
3:  mov eax, fs:[ebx]
2:  RING3 1b
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 3b)
    EXPECT eax, 0x99
    .endif
    # VERR, VERW, LAR, LSL of null: ZF clear.
    xor eax, eax
    cmp eax, eax
    verr ax
    setz al
    movzx eax, al
    EXPECT eax, 0
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 16
scratch: .skip 16
far_pointer: .skip 8
rounds: .skip 4
