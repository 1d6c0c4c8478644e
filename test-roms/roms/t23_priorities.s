#! title = "Which exception wins when an instruction has several; EXT; 16-bit gates"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 23. SDM volume 3A, 6.9 (table 6-2), 6.13. Faults of decoding before faults of privilege, these before segments, these
# before pages. A lazy translator touches memory first and asks afterwards.
    .include "pm.inc"
    .include "paging.inc"
    .include "pic.inc"
    .set S, SPARE
    .set ABSENT_CODE, SPARE + 8
    .set NOWHERE, WINDOW + 0x8000

main:
    call pic_init
    call paging_on
    mov eax, cr4
    or eax, 0x600                   # OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov dword ptr [rounds], 15
again:
    mov ebx, NOWHERE
    mov dword ptr [ones], -1
    # #UD before #PF and before #GP.
    .ifndef QEMU                    # (QEMU looks at LOCK and the register number after it has read the operand)
    FAULTS 6, 0, .byte 0xf0, 0x89, 0x03 # LOCK MOV [EBX], EAX
    FAULTS 6, 0, .byte 0xf0, 0x8b, 0x03 # LOCK MOV EAX, [EBX]
    FAULTS 6, 0, .byte 0xf0, 0x39, 0x03 # LOCK CMP [EBX], EAX
    FAULTS 6, 0, .byte 0xf0, 0x01, 0xc0 # LOCK ADD EAX, EAX
    FAULTS 6, 0, .byte 0x8e, 0x0b   # MOV CS, [EBX]
    FAULTS 6, 0, .byte 0xff, 0x3b   # group 5 /7 of memory
    .endif
    FAULTS3 6, 0, .byte 0x0f, 0x01, 0xd8 # LIDT of a register, at CPL 3
    .ifndef QEMU
    FAULTS3 6, 0, .byte 0xf0, 0xf4  # LOCK HLT
    .endif
    FAULTS3 6, 0, ud2
    # #GP by CPL before the operand's #PF.
    FAULTS3 13, 0, lgdt [ebx]
    FAULTS3 13, 0, lidt [ebx]
    FAULTS3 13, 0, lldt [ebx]
    FAULTS3 13, 0, ltr [ebx]
    FAULTS3 13, 0, lmsw [ebx]
    FAULTS3 13, 0, invlpg [ebx]
    mov edi, NOWHERE
    mov esi, NOWHERE
    mov edx, 0x80
    FAULTS3 13, 0, insb
    FAULTS3 13, 0, outsb
    FAULTS3 13, 0, rep insb
    # What needs no privilege: #PF.
    FAULTS3 14, 6, sgdt [ebx]
    FAULTS3 14, 4, lar eax, [ebx]
    FAULTS3 14, 4, verr [ebx]
    FAULTS3 14, 4, mov es, [ebx]
    # The limit before the page; the type too.
    .ifndef QEMU
    DESC S, NOWHERE, 0xff, 0x92, 0x40
    mov eax, S
    mov gs, eax
    FAULTS 13, 0, mov al, gs:[0x100]
    DESC S, NOWHERE, 0xff, 0x90, 0x40
    mov eax, S
    mov gs, eax
    FAULTS 13, 0, mov gs:[0], al
    xor eax, eax
    mov gs, eax
    FAULTS 13, 0, mov eax, gs:[ebx]
    .endif
    # The operand's #PF before what the value would raise.
    FAULTS 14, 0, div dword ptr [ebx]
    FAULTS 14, 0, bound eax, [ebx]
    FAULTS 14, 0, mov ss, [ebx]
    FAULTS 14, 0, jmp fword ptr [ebx]
    FAULTS 14, 0, fld dword ptr [ebx]
    FAULTS 14, 0, movaps xmm0, [ebx]
    FAULTS 13, 0, movaps xmm0, [ebx + 1]    # but the alignment of SSE comes first
    # #NM before #PF; #UD of EM before #NM; MMX, SSE too.
    mov eax, cr0
    or eax, 8
    mov cr0, eax
    FAULTS 7, 0, fld dword ptr [ebx]
    FAULTS 7, 0, movq mm0, [ebx]
    FAULTS 7, 0, movups xmm0, [ebx]
    FAULTS 7, 0, fxsave [ebx]
    clts
    mov eax, cr0
    or eax, 0xc                     # EM and TS
    mov cr0, eax
    .ifndef QEMU                    # (QEMU looks at TS first; SDM volume 3A, table 12-1, at EM)
    FAULTS 6, 0, movups xmm0, [ebx]
    FAULTS 6, 0, movq mm0, [ebx]
    .endif
    FAULTS 7, 0, fld dword ptr [ebx]
    mov eax, cr0
    and eax, ~0xc
    mov cr0, eax
    # #MF that waits, before the next operand's #PF.
    mov eax, cr0
    or eax, 0x20                    # NE
    mov cr0, eax
    fninit
    mov word ptr [control], 0x37b   # divide by zero unmasked
    fldcw [control]
    fld1
    fldz
    fdivp
    .ifndef QEMU                    # (QEMU raises it at FWAIT only)
    FAULTS 16, 0, fld dword ptr [ebx]
    .endif
    fnclex
    fninit
    # Far transfers: the target before the stack, the selector before presence.
    mov ebp, esp
    .ifndef QEMU                    # (QEMU pushes first, and the fault handler needs a stack: ring 3 then)
    jmp 2f
1:  mov esp, NOWHERE
3:  call 0x8003:0
2:  RING3 1b
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0x8000
    jmp 2f
1:  mov esp, NOWHERE
3:  call CODE3:OFFSET main
2:  RING3 1b
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 6
    EXPECT [exc_cr2], NOWHERE-4
    EXPECT [exc_eip], (OFFSET 3b)
    .endif
    # INT n: beyond the limit, the gate's type, its DPL, its presence, the target.
    GATE 0x24, 0x1000, 0x0e, 0      # DPL 0, absent, null target
    FAULTS3 13, 0x24*8+2, int 0x24
    GATE 0x24, 0x1000, 0x6e, 0      # DPL 3, absent
    FAULTS3 11, 0x24*8+2, int 0x24
    GATE 0x24, 0x1000, 0xee, 0
    FAULTS3 13, 0, int 0x24
    # An interrupt from outside sets EXT; INT n by the same gate does not.
    DESC ABSENT_CODE, 0, 0xfffff, 0x1a, 0xc0
    GATE 0x20, 0x1000, 0x8e, ABSENT_CODE
    FAULTS 11, ABSENT_CODE, int 0x20
    ARM 1f
    PIT0 0, 100
    UNMASK 1
    sti
2:  nop
    jmp 2b
1:  cli
    DISARM
    UNMASK 0
    EXPECT [exc_vector], 11
    .ifndef QEMU
    EXPECT [exc_error], ABSENT_CODE+1
    .endif
    GATE 0x20, 0x1000, 0x0e, CODE0
    FAULTS 11, 0x20*8+2, int 0x20
    ARM 1f
    UNMASK 1                        # (it was not acknowledged, or was: another one then)
    EOI
    PIT0 0, 100
    sti
2:  nop
    jmp 2b
1:  cli
    DISARM
    UNMASK 0
    EOI
    EXPECT [exc_vector], 11
    .ifndef QEMU
    EXPECT [exc_error], 0x20*8+3
    .endif
    # A 16-bit gate pushes words, the error code too.
    mov byte ptr [0x7000], 0xe9
    mov dword ptr [0x7001], OFFSET from16 - 0x7005
    GATE 13, 0x7000, 0x86
    mov ebp, esp
    mov eax, 0x8000
2:  mov gs, eax
    FAIL
from16:
    movzx eax, word ptr [esp]
    movzx ebx, word ptr [esp + 2]
    movzx ecx, word ptr [esp + 4]
    movzx edx, word ptr [esp + 6]
    sub ebp, esp
    add esp, ebp
    EXPECT ebp, 8
    EXPECT eax, 0x8000
    mov eax, OFFSET 2b
    and eax, 0xffff
    EXPECT ebx, eax
    EXPECT ecx, CODE0
    and edx, 0x7200
    EXPECT edx, 0
    GATE 13, (vector_stubs+13*16)
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 16
ones: .skip 4
control: .skip 4
rounds: .skip 4
