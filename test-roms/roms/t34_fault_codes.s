#! title = "#PF error codes of all page permissions at CPL 0 and 3, with CR0.WP clear and set"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 4.6 (access rights), 4.7 (page-fault exceptions), 6.15 (#PF). docs/traps.md 24, 34.
    .include "pm.inc"
    .include "paging.inc"
    .set OK, 0xff
    .set ADDR, WINDOW + 0x3000 + 0x123

# The outcome of one access: EAX is the error code, or OK. CR2 is checked on the way.
.macro OUTCOME want
    cmp dword ptr [exc_vector], 14
    mov eax, [exc_error]
    je 773f
    mov eax, OK
    jmp 774f
773: EXPECT [exc_cr2], ADDR
774: EXPECT eax, \want
.endm

.macro ACCESS0 want, insn:vararg
    FLUSH
    ARM 779f
    \insn
779: DISARM
    OUTCOME \want
.endm

.macro ACCESS3 want, insn:vararg
    FLUSH
    jmp 777f
778: \insn
    int 0x30
777: RING3 778b
    OUTCOME \want
.endm

.macro WP_ON
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
.endm
.macro WP_OFF
    mov eax, cr0
    and eax, ~0x10000
    mov cr0, eax
.endm

# All accesses to a page whose entries are as given: what each must yield.
.macro PAGE pde, pte, read0, write0, write0wp, read3, write3
    mov dword ptr [page_dir + 4], OFFSET pt1 + (\pde)
    MAP 3, frame, \pte
    ACCESS0 \read0, mov al, [ADDR]
    ACCESS0 \write0, mov byte ptr [ADDR], 1
    WP_ON
    ACCESS0 \read0, mov al, [ADDR]
    ACCESS0 \write0wp, mov byte ptr [ADDR], 2
    ACCESS3 \read3, mov al, [ADDR]
    ACCESS3 \write3, mov byte ptr [ADDR], 3
    WP_OFF
    ACCESS3 \read3, mov al, [ADDR]
    ACCESS3 \write3, mov byte ptr [ADDR], 3
.endm

main:
    call paging_on
    mov ebx, ADDR
    PAGE P+W+U, 0,     0,  2,  2,  4,  6
    PAGE P+W+U, W+U,   0,  2,  2,  4,  6
    PAGE P+W+U, P,     OK, OK, 3,  5,  7
    PAGE P+W+U, P+W,   OK, OK, OK, 5,  7
    PAGE P+W+U, P+U,   OK, OK, 3,  OK, 7
    PAGE P+W+U, P+W+U, OK, OK, OK, OK, OK
    # The directory entry's bits join in.
    PAGE P+U,   P+W+U, OK, OK, 3,  OK, 7
    PAGE P+W,   P+W+U, OK, OK, OK, 5,  7
    PAGE P,     P+W+U, OK, OK, 3,  5,  7
    PAGE P,     P,     OK, OK, 3,  5,  7
    PAGE 0,     P+W+U, 0,  2,  2,  4,  6
    PAGE W+U,   P+W+U, 0,  2,  2,  4,  6
    mov dword ptr [page_dir + 4], OFFSET pt1 + P + W + U

    # A read-modify-write reports a write, also where it would only compare.
    MAP 3, frame, P+U
    ACCESS3 7, inc dword ptr [ADDR]
    ACCESS3 7, xchg [ADDR], eax
    ACCESS3 OK, cmp [ADDR], eax
    ACCESS3 OK, test [ADDR], eax
    MAP 3, frame, 0
    .ifndef QEMU                    # (QEMU loads first and reports a read; processors report 6, measured)
    ACCESS3 6, inc dword ptr [ADDR]
    ACCESS3 6, lock inc dword ptr [ADDR]
    xor ecx, ecx
    ACCESS3 6, shl dword ptr [ADDR], cl
    .endif
    ACCESS3 4, cmp [ADDR], eax

    # Instruction fetches: without NX the I bit stays clear.
    MAP 3, frame, P+W+U
    FLUSH
    mov byte ptr [ADDR], 0xc3
    MAP 3, frame, P+W
    mov ecx, ADDR
    ACCESS3 5, jmp ecx
    MAP 3, frame, 0
    ACCESS3 4, jmp ecx
    ACCESS0 0, jmp ecx
    EXPECT [exc_eip], ADDR
    MAP 3, frame, P+W
    ACCESS0 OK, call ecx

    # Implicit accesses to system structures are supervisor accesses at any CPL: a user INT with the IDT on a
    # supervisor page works.
    .set IDT_ALIAS, WINDOW + 0x3000
    mov eax, OFFSET idt
    and eax, 0xfff
    mov word ptr [frame], 2047
    add eax, IDT_ALIAS
    mov [frame + 2], eax
    mov eax, OFFSET idt             # the entries must name the frame that the IDT starts in
    and eax, ~0xfff
    or eax, P
    mov [pt1 + 3 * 4], eax
    add eax, 4096
    mov [pt1 + 4 * 4], eax
    FLUSH
    lidt [frame]
    jmp 2f
1:  mov eax, 0x5151
    int 0x30
2:  RING3 1b
    EXPECT eax, 0x5151
    EXPECT [exc_vector], 0x30
    lidt [idt_pointer]

    # An access over two pages reports the first byte that it cannot reach.
    MAP 3, frame, P+W+U
    MAP 4, frame, 0
    FLUSH
    FAULTS3 14, 4, mov eax, [WINDOW + 0x3ffe]
    EXPECT [exc_cr2], WINDOW + 0x4000
    FAULTS 14, 0, mov eax, [WINDOW + 0x3ffd]
    EXPECT [exc_cr2], WINDOW + 0x4000
    FAULTS 14, 2, mov [WINDOW + 0x3ffd], eax
    EXPECT [exc_cr2], WINDOW + 0x4000
    FAULTS 14, 2, mov [WINDOW + 0x4001], eax
    EXPECT [exc_cr2], WINDOW + 0x4001
    mov eax, [WINDOW + 0x3ffc]      # the last that fits
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
