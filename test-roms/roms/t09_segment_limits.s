#! title = "Limits: byte and page granular, expand-down, read-only, execute-only, code limits, jumps beyond"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 8, 9. SDM volume 3A, 5.3 (limit checking), 5.5; 3.4.5.1 (expand-down). QEMU checks no limits at all, so most of
# this is left out there.
    .include "pm.inc"
    .set S, SPARE
    .set CODE_SMALL, SPARE + 8

.macro DATA base, limit, access, flags
    DESC S, \base, \limit, \access, \flags
    mov eax, S
    mov gs, eax
.endm
.macro IN insn:vararg
    \insn
.endm
.macro OUTSIDE insn:vararg
    FAULTS 13, 0, \insn
    push S                          # (the recorder loaded its own)
    pop gs
.endm

main:
    .ifndef QEMU
    # Byte granular: limit FFh.
    DATA buffer, 0xff, 0x92, 0x40
    IN mov al, gs:[0xff]
    OUTSIDE mov al, gs:[0x100]
    IN mov ax, gs:[0xfe]
    OUTSIDE mov ax, gs:[0xff]
    IN mov eax, gs:[0xfc]
    OUTSIDE mov eax, gs:[0xfd]
    OUTSIDE mov gs:[0xfd], eax
    OUTSIDE mov eax, gs:[-1]
    OUTSIDE mov al, gs:[0x80000000]
    OUTSIDE fld qword ptr gs:[0xf9]
    IN fld qword ptr gs:[0xf8]
    fstp st(0)
    OUTSIDE add dword ptr gs:[0xfe], 1
    OUTSIDE push dword ptr gs:[0xfd]
    mov esi, 0xfe
    OUTSIDE lods dword ptr gs:[esi]
    EXPECT esi, 0xfe
    # Page granular: the low twelve bits are ones.
    DATA 0, 0x1, 0x92, 0xc0
    IN mov al, gs:[0x1fff]
    OUTSIDE mov al, gs:[0x2000]
    OUTSIDE mov eax, gs:[0x1ffd]
    DATA buffer, 0, 0x92, 0x40      # a segment of one byte
    IN mov al, gs:[0]
    OUTSIDE mov al, gs:[1]
    OUTSIDE mov ax, gs:[0]

    # Expand-down: valid are limit + 1 .. FFFFFFFFh (B set) or FFFFh (B clear).
    DATA 0, 0xff, 0x96, 0x40
    OUTSIDE mov al, gs:[0]
    OUTSIDE mov al, gs:[0xff]
    IN mov al, gs:[0x100]
    OUTSIDE mov eax, gs:[0xfe]
    OUTSIDE mov eax, gs:[0xff]
    IN mov eax, gs:[0x100000]
    DATA 0, 0xff, 0x96, 0
    IN mov al, gs:[0x100]
    IN mov al, gs:[0xffff]
    OUTSIDE mov al, gs:[0x10000]
    OUTSIDE mov ax, gs:[0xffff]
    OUTSIDE mov al, gs:[0xff]
    DATA 0, 0xfffff, 0x96, 0xc0     # nothing is valid
    OUTSIDE mov al, gs:[0]
    OUTSIDE mov al, gs:[0xffffffff]

    # The type: writing to read-only, reading execute-only through CS.
    DATA buffer, 0xff, 0x90, 0x40
    IN mov al, gs:[0]
    OUTSIDE mov gs:[0], al
    OUTSIDE inc byte ptr gs:[0]
    OUTSIDE xchg gs:[0], al
    DATA 0, 0xfffff, 0x9a, 0xc0     # readable code in a data register
    IN mov al, gs:[0x100000]
    OUTSIDE mov gs:[buffer], al
    OUTSIDE mov cs:[buffer], al
    IN mov al, cs:[buffer]
    DESC CODE_SMALL, 0, 0xfffff, 0x98, 0xc0
    jmp CODE_SMALL:OFFSET 1f
1:  ARM 2f
3:  mov al, cs:[buffer]
2:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (OFFSET 3b)
    EXPECT [exc_cs], CODE_SMALL
    jmp CODE0:OFFSET 1f             # (the recorder came back with its own CS)
1:
    # The stack segment: #SS instead of #GP, also by EBP and by SS overrides; PUSH below, POP above.
    # In ring 3, so that the recorder does not run on the small stack.
.macro RING3_SMALL_STACK esp, insn:vararg
    ARM 779f
    pushd S+3
    pushd \esp
    pushd 2
    pushd CODE3
    pushd OFFSET 778f
    iretd
778: \insn
    int 0x30
779: DISARM
    EXPECT [exc_vector], 12
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (OFFSET 778b)
    EXPECT [exc_esp], \esp
.endm
    DESC S, buffer, 0xfff, 0xf2, 0x40
    mov eax, DATA3
    mov ds, eax
    RING3_SMALL_STACK 0x1002, push eax
    RING3_SMALL_STACK 0, push eax
    RING3_SMALL_STACK 2, push eax
    RING3_SMALL_STACK 0xffe, pop eax
    RING3_SMALL_STACK 0x1000, pop eax
    RING3_SMALL_STACK 0x1000, ret
    RING3_SMALL_STACK 0x100, mov al, ss:[0x1000]
    mov ebp, 0xffd
    RING3_SMALL_STACK 0x100, mov eax, [ebp]
    RING3_SMALL_STACK 0x100, mov eax, [esp + 0xefd]
    RING3_SMALL_STACK 2, call main
    RING3_SMALL_STACK 16, pushad
    mov eax, DATA0
    mov ds, eax

    # Code limits: a jump beyond is refused where it stands; running off the end is refused there.
    DESC CODE_SMALL, small_code, (small_end-small_code-1), 0x9a, 0x40
    ARM 1f
    jmp CODE_SMALL:0
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_error], 0
    EXPECT [exc_eip], (jump_beyond-small_code)
    EXPECT [exc_cs], CODE_SMALL
    ARM 1f
    jmp CODE_SMALL:(conditional_beyond-small_code)
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (conditional_beyond-small_code+2)
    ARM 1f
    jmp CODE_SMALL:(indirect_beyond-small_code)
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (indirect_beyond-small_code+5)
    ARM 1f
    mov ebx, esp
    jmp CODE_SMALL:(call_beyond-small_code)
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (call_beyond-small_code)
    mov eax, [exc_frame]
    add eax, 12
    EXPECT eax, ebx                 # nothing was pushed by the CALL
    ARM 1f
    jmp CODE_SMALL:(off_the_end-small_code)
1:  DISARM
    EXPECT [exc_vector], 13
    EXPECT [exc_eip], (cut-small_code)
    # A far jump beyond its target's limit: #GP(0) at the jump.
    FAULTS 13, 0, jmp CODE_SMALL:0x1000
    FAULTS 13, 0, call CODE_SMALL:0x1000
    FAULTS 13, 0, jmp CODE_SMALL:(small_end-small_code)
    # The cache: a limit raised in the GDT holds from the next load on.
    DATA buffer, 0xff, 0x92, 0x40
    DESC S, buffer, 0xfff, 0x92, 0x40
    OUTSIDE mov al, gs:[0x100]
    mov eax, S
    mov gs, eax
    IN mov al, gs:[0x100]
    .endif

    # LGDT's limit counts: a selector whose descriptor is cut off.
    mov word ptr [pointer], S + 6
    mov dword ptr [pointer + 2], OFFSET gdt
    DESC S, 0, 0xfffff, 0x92, 0xc0
    lgdt [pointer]
    mov eax, S
    FAULTS 13, S, mov gs, eax
    mov word ptr [pointer], S + 7
    lgdt [pointer]
    mov gs, eax
    lgdt [gdt_pointer]
    ret

small_code:
    nop
jump_beyond:
    jmp small_code + 0x100000
conditional_beyond:
    cmp eax, eax
    jz small_code + 0x100000
indirect_beyond:
    mov eax, 0x100000
    jmp eax
call_beyond:
    call small_code + 0x100000
off_the_end:
    nop
cut:
    .byte 0xb8, 1, 2                # MOV EAX cut off by the limit
small_end:
    .byte 3, 4

    .section .bss
    .balign 16
buffer: .skip 0x2000
pointer: .skip 8
