#! title = "CR4.SMAP: supervisor data accesses to user pages, EFLAGS.AC, CLAC and STAC"
#! load = "multiboot"
#! cpu = "max"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 4.6 (access rights, explicit and implicit accesses), 4.7; volume 2, CLAC, STAC. docs/traps.md 34.
    .include "pm.inc"
    .include "paging.inc"
    .set AC, 0x40000
    .set SMAP, 1 << 21
    .set USER, WINDOW + 0x3000      # a user page
    .set SYSTEM, WINDOW + 0x4000    # the supervisor's
    .set ENTRY, WINDOW + 0x5000     # code of CPL 3
    .set STACK3, WINDOW + 0x7000    # the end of its stack
    .set TASK, WINDOW + 0x8000      # a TSS; its map of ports is in a user page
    .set PORTS, WINDOW + 0x9000
    .ifdef QEMU
    .set CHANGES, 1                 # (it loads first and reports a read)
    .else
    .set CHANGES, 3
    .endif

.macro CLAC
    .byte 0x0f, 0x01, 0xca
.endm
.macro STAC
    .byte 0x0f, 0x01, 0xcb
.endm

# FORBIDDEN error, instruction: faults at USER + 10h.
.macro FORBIDDEN error, insn:vararg
    FAULTS 14, \error, \insn
    EXPECT [exc_cr2], USER + 0x10
.endm

.macro FLAGS_AC want
    pushfd
    pop eax
    and eax, AC
    EXPECT eax, \want
.endm

# CR4.SMAP becomes \on.
.macro SMAP on
    mov eax, cr4
    and eax, ~SMAP
    or eax, SMAP * \on
    mov cr4, eax
.endm

.macro WRITE_PROTECT on
    mov eax, cr0
    and eax, ~0x10000
    or eax, 0x10000 * \on
    mov cr0, eax
.endm

main:
    mov eax, 7
    xor ecx, ecx
    cpuid
    shr ebx, 20
    and ebx, 1
    EXPECT ebx, 1
    call paging_on
    # All of the ROM is the supervisor's.
    mov edi, OFFSET pt0
    mov ecx, 1024
1:  and dword ptr [edi], ~U
    add edi, 4
    loop 1b
    MAP 3, frame, P+W+U
    MAP 4, frame2, P+W
    FLUSH

    # AC by itself.
    CLAC
    FLAGS_AC 0
    STAC
    FLAGS_AC AC
    STAC
    FLAGS_AC AC
    CLAC
    FLAGS_AC 0
    # Without CR4.SMAP it does not matter.
    mov dword ptr [USER + 0x10], 0x11223344
    SMAP 1

    # A fault sets no flag in the entry.
    mov dword ptr [pt1 + 3 * 4], OFFSET frame + P+W+U
    FLUSH
    FORBIDDEN 1, mov al, [USER + 0x10]
    FORBIDDEN 3, mov [USER + 0x10], al
    mov eax, [pt1 + 3 * 4]
    and eax, A + D
    EXPECT eax, 0
    mov [SYSTEM + 0x10], eax
    mov eax, [SYSTEM + 0x10]

    # What reads and writes is a write.
    FORBIDDEN CHANGES, inc dword ptr [USER + 0x10]
    FORBIDDEN CHANGES, xchg [USER + 0x10], eax
    FORBIDDEN 1, cmp [USER + 0x10], eax
    FORBIDDEN 1, push dword ptr [USER + 0x10]
    mov esi, USER + 0x10
    mov edi, SYSTEM
    mov ecx, 8
    FORBIDDEN 1, rep movsb
    EXPECT ecx, 8
    mov edi, USER + 0x10
    FORBIDDEN 3, rep stosd
    FORBIDDEN 1, repe scasb
    mov esi, SYSTEM
    FORBIDDEN 3, rep movsd
    # A string that comes to a user page stops there.
    mov edi, USER - 0x100
    MAP 2, frame3, P+W
    FLUSH
    mov ecx, 0x200
    FAULTS 14, 3, rep stosb
    EXPECT ecx, 0x100
    EXPECT edi, USER
    # An access over both pages: the first byte that is not allowed.
    FAULTS 14, 1, mov eax, [USER - 2]
    EXPECT [exc_cr2], USER
    FAULTS 14, 3, mov [USER + 0xffe], eax
    EXPECT [exc_cr2], USER + 0xffe

    # With AC it is as without SMAP.
    STAC
    EXPECT [USER + 0x10], 0x11223344
    mov dword ptr [USER + 0x10], 0x55667788
    mov esi, USER + 0x10
    mov edi, SYSTEM
    mov ecx, 1
    rep movsd
    EXPECT [SYSTEM], 0x55667788
    # CR0.WP holds for user pages, too.
    MAP 3, frame, P+U
    WRITE_PROTECT 1
    FLUSH
    FORBIDDEN 3, mov [USER + 0x10], eax
    FLAGS_AC AC                     # delivery leaves it alone
    WRITE_PROTECT 0
    mov [USER + 0x10], eax
    CLAC
    FORBIDDEN 3, mov [USER + 0x10], eax
    MAP 3, frame, P+W+U
    FLUSH

    # POPF and IRET change it.
    pushd AC + 2
    popfd
    mov eax, [USER + 0x10]
    pushd 2
    popfd
    FORBIDDEN 1, mov eax, [USER + 0x10]
    pushd AC + 2
    pushd CODE0
    pushd OFFSET 1f
    iretd
1:  mov eax, [USER + 0x10]
    pushd 2
    pushd CODE0
    pushd OFFSET 1f
    iretd
1:  FORBIDDEN 1, mov eax, [USER + 0x10]

    # Often, so that it runs translated: what is allowed and what is not, by the same instructions.
    mov dword ptr [SYSTEM + 0x20], 0
    STAC
    mov dword ptr [USER + 0x10], 0
    CLAC
    mov ebp, 3000
2:  STAC
    call touch
    CLAC
    mov eax, [SYSTEM + 0x20]
    inc eax
    mov [SYSTEM + 0x20], eax
    test ebp, 255
    jne 3f
    FAULTS 14, CHANGES, inc dword ptr [USER + 0x10]
    ARM 4f
    call touch
    PRINT "FAIL touch went through\r\n"
4:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], CHANGES
    EXPECT [exc_eip], (OFFSET touch)
3:  dec ebp
    jne 2b
    EXPECT [SYSTEM + 0x20], 3000
    STAC
    EXPECT [USER + 0x10], 3000
    CLAC

    # SMAP comes and goes.
    SMAP 0
    inc dword ptr [USER + 0x10]
    SMAP 1
    FORBIDDEN CHANGES, inc dword ptr [USER + 0x10]

    # Fetches are SMEP's business; what was fetched is no data all the same.
    STAC
    mov byte ptr [USER + 0x10], 0xc3
    CLAC
    mov ecx, USER + 0x10
    call ecx
    FORBIDDEN 1, mov al, [ecx]
    call ecx

    # A directory entry for a large page of the user's, and one whose U is not the table's.
    mov eax, [page_dir + 4]
    mov dword ptr [page_dir + 4], P+W+U+PS
    mov edx, cr4
    or edx, 0x10
    mov cr4, edx
    FLUSH
    FORBIDDEN 1, mov dl, [USER + 0x10]
    FORBIDDEN 3, mov [USER + 0x10], dl
    STAC
    mov dl, [USER + 0x10]
    CLAC
    FORBIDDEN 1, mov dl, [USER + 0x10]
    mov [page_dir + 4], eax
    and dword ptr [page_dir + 4], ~U
    FLUSH
    mov edx, [USER + 0x10]          # user only by the table's entry: the supervisor's
    mov [USER + 0x10], edx
    mov [page_dir + 4], eax
    FLUSH

    # The processor's own reads of its tables ignore AC: an LDT in the user page.
    .ifndef QEMU                    # (QEMU lets AC help them)
    STAC
    mov eax, [gdt + DATA0]
    mov [USER], eax
    mov eax, [gdt + DATA0 + 4]
    mov [USER + 4], eax
    DESC SPARE + 8, USER, 7, 0x82
    mov eax, SPARE + 8
    lldt ax
    mov eax, 4
    FAULTS 14, 1, mov es, eax
    EXPECT [exc_cr2], USER
    FAULTS 14, 1, mov fs, eax
    FAULTS 14, 1, verw ax
    CLAC
    FAULTS 14, 1, mov es, eax
    MAP 3, frame, P+W
    FLUSH
    mov es, eax
    STAC
    mov es, eax
    CLAC
    MAP 3, frame, P+W+U
    FLUSH
    mov eax, DATA0
    mov es, eax
    .endif

    # So do those at CPL 3, where AC is another flag: a map of ports in a user page.
    call make_task
    MAP 5, ring3, P+U
    MAP 6, frame3, P+W+U
    FLUSH
    mov dx, 0x20
    mov ebx, 2
5:  ARM 6f
    pushd DATA3
    pushd STACK3
    push ebx
    pushd CODE3
    pushd ENTRY
    iretd
6:  DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 1
    EXPECT [exc_cr2], PORTS + 0x20 / 8
    EXPECT [exc_eip], ENTRY
    EXPECT [exc_cs], CODE3
    xor ebx, AC
    test ebx, AC
    jne 5b
    # The same page is the user's own.
    MAP 9, frame4, P+W              # and as the supervisor's it serves
    FLUSH
    ARM 7f
    pushd DATA3
    pushd STACK3
    push ebx
    pushd CODE3
    pushd ENTRY
    iretd
7:  DISARM
    EXPECT [exc_vector], 0x30
    ret

touch:
    inc dword ptr [USER + 0x10]
    ret

# A task whose map of ports begins in the next page, a user page.
make_task:
    MAP 8, frame4 + 4096, P+W
    MAP 9, frame4, P+W
    FLUSH
    mov dword ptr [TASK + 4], OFFSET stack0_irq_top
    mov dword ptr [TASK + 8], DATA0
    mov word ptr [TASK + 102], 0x1000
    mov edi, PORTS
    mov ecx, 1024
    xor eax, eax
    rep stosd
    MAP 9, frame4, P+W+U
    FLUSH
    mov eax, SPARE
    mov ecx, TASK
    mov edx, 0x1fff
    mov ebx, 0x0089
    call set_desc
    ltr ax
    ret

    .balign 4096
ring3:
    in al, dx
    int 0x30
    .balign 4096

    .section .bss
    .balign 4096
frame: .skip 4096
frame2: .skip 4096
frame3: .skip 4096
frame4: .skip 8192
