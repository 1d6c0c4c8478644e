#! title = "Nanobenchmarks: what one operation costs (`ringer nano` measures; as a test it only runs each)"
#! load = "multiboot"
#! serial-contains = ["tsc-khz ", "\nempty ", "\ncallret ", "\nicall ", "\nsmc ", "\nint80 ", "\nsysenter ", "\nin ", "\nout-pic ", "\nmmio ", "\npgfault ", "\ndivzero ", "\npte-same ", "\npte-np ", "\npte-p ", "\npte-np-invlpg ", "\npte-p-touch ", "\ncr3 ", "\ncr3-20 ", "\npgfault-remap ", "PASS"]
#! debug-exit = 0
#! timeout = 60
# After Adams and Agesen, ASPLOS 2006. A number at the end of the command line is the least time of a run in milliseconds;
# without it each loop runs 64 times, which is enough for a test.
    .include "pm.inc"
    .include "paging.inc"
    .include "nano.inc"
    .set PAGES, 64
    .set ABSENT, WINDOW + 0x3ff000
    .set SPACES, 20
    .set DEVICE, WINDOW + 0x3fe000  # mapped to E0000000h, where there is no memory: a read of the bus

main:
    call least_time
    call clock_rate
    call paging_on
    MAP 1022, 0xe0000000, P+W+U
    FLUSH
    mov esi, OFFSET page_dir
    mov edi, OFFSET page_dir2
    mov ecx, 1024
    rep movsd
    mov edi, OFFSET page_dirs
    mov edx, SPACES
1:  mov esi, OFFSET page_dir
    mov ecx, 1024
    rep movsd
    dec edx
    jnz 1b
    GATE 0, on_divide
    GATE 14, on_page_fault
    GATE 0x50, on_syscall, 0xee
    call sysenter_on
    mov al, 0xff
    out 0x21, al                    # nothing interrupts: IF is clear, too
    MEASURE_USER
    MEASURE int80, int80, 1
    MEASURE sysenter_loop, sysenter, 1
    MEASURE input, in, 1
    MEASURE output, out-pic, 1
    MEASURE device_read, mmio, 1
    MEASURE fault, pgfault, 1
    MEASURE divide, divzero, 1
    MEASURE pte_same, pte-same, 8
    MEASURE pte_np, pte-np, PAGES
    MEASURE pte_p, pte-p, PAGES
    MEASURE pte_np_invlpg, pte-np-invlpg, PAGES
    MEASURE pte_p_touch, pte-p-touch, PAGES
    MEASURE cr3_loop, cr3, 2
    MEASURE cr3_many, cr3-20, SPACES
    GATE 14, on_absent_page
    MEASURE remap, pgfault-remap, PAGES
    ret

# [milliseconds] from the last digits of the Multiboot command line.
least_time:
    xor eax, eax
    mov ebx, [multiboot_info]
    test byte ptr [ebx], 4
    jz 3f
    mov ebx, [ebx + 16]
1:  movzx ecx, byte ptr [ebx]
    inc ebx
    test ecx, ecx
    jz 3f
    sub ecx, '0'
    cmp ecx, 9
    ja 2f
    imul eax, eax, 10
    add eax, ecx
    jmp 1b
2:  xor eax, eax
    jmp 1b
3:  mov [milliseconds], eax
    ret

# The rate of the time-stamp counter against the timer's third channel, which counts 1.193182 MHz: the least of three
# times, for whatever delays the loop makes a time longer. Sets `min_ticks`.
clock_rate:
    mov dword ptr [best], -1
    mov ebp, 3
1:  in al, 0x61
    and al, 0xfd
    or al, 1
    out 0x61, al
    mov al, 0xb0                    # channel 2, both bytes, mode 0: the output rises at the end
    out 0x43, al
    mov ebx, 1193                   # 1 ms; 50 ms when it is to be exact
    cmp dword ptr [milliseconds], 0
    je 2f
    mov ebx, 59659
2:  mov al, bl
    out 0x42, al
    mov al, bh
    out 0x42, al
    rdtsc
    mov esi, eax
3:  in al, 0x61
    test al, 0x20
    jz 3b
    rdtsc
    sub eax, esi
    cmp eax, [best]
    jae 4f
    mov [best], eax
4:  dec ebp
    jnz 1b
    mov eax, 1193182                # kHz = ticks * 1193182 / counts / 1000
    mul dword ptr [best]
    div ebx
    xor edx, edx
    mov ecx, 1000
    div ecx
    PRINT "tsc-khz "
    call putdec
    PRINT "\n"
    mul dword ptr [milliseconds]
    mov [min_ticks], eax
    ret

# In ring 3, so that each is a change of rings and back.
.macro LOOP3 name, operation:vararg
\name:
    rdtsc
    mov [started], eax
    RING3 5f
    rdtsc
    sub eax, [started]
    ret
    .balign 16
5:  \operation
    dec ebp
    jnz 5b
    int 0x30
.endm
    LOOP3 int80, int 0x50           # a gate of DPL 3; the number matters to nobody
    LOOP3 sysenter_loop, call enter_kernel
enter_kernel:
    mov ecx, esp
    mov edx, OFFSET 1f
    sysenter
1:  ret
    .balign 16
on_syscall:
    iretd
    .balign 16
on_sysenter:
    sysexit

sysenter_on:
    xor edx, edx
    mov ecx, 0x174
    mov eax, CODE0
    wrmsr
    mov ecx, 0x175
    mov eax, OFFSET stack0_irq_top
    wrmsr
    mov ecx, 0x176
    mov eax, OFFSET on_sysenter
    wrmsr
    ret

.macro SETUP_input
.endm
.macro SETUP_output
    mov al, 0xff
.endm
.macro SETUP_device_read
.endm
.macro SETUP_fault
.endm
.macro SETUP_divide
    mov eax, 1
    xor ecx, ecx
    xor edx, edx
.endm
.macro SETUP_pte_same
    mov eax, [pt1 + 1022 * 4]
.endm
.macro SETUP_cr3_loop
    mov eax, OFFSET page_dir2
    mov ecx, OFFSET page_dir
.endm
.macro CR3_THERE_AND_BACK
    mov cr3, eax
    mov cr3, ecx
.endm
.macro SETUP_cr3_many
.endm
# Each of many address spaces in turn, and an access in it.
.macro EACH_SPACE
    mov eax, OFFSET page_dirs
2:  mov cr3, eax
    mov ecx, [frame]
    add eax, 4096
    cmp eax, OFFSET page_dirs + SPACES * 4096
    jb 2b
.endm
    LOOP input, 1, in al, 0x80
    LOOP output, 1, out 0x21, al
    LOOP device_read, 1, mov eax, [DEVICE]
    LOOP fault, 1, mov eax, [ABSENT]
    LOOP divide, 1, div ecx
    LOOP pte_same, 8, mov [pt1 + 1022 * 4], eax
    LOOP cr3_loop, 1, CR3_THERE_AND_BACK
    LOOP cr3_many, 1, EACH_SPACE
    .balign 16
on_divide:
    add dword ptr [esp], 2          # DIV ECX
    iretd
    .balign 16
on_page_fault:
    add esp, 4
    add dword ptr [esp], 5          # MOV EAX, [moffs]
    iretd
    .balign 16
on_absent_page:                     # maps it, as a kernel serves an access to a new page; the access then succeeds
    mov [esp], eax
    mov eax, cr2
    shr eax, 12
    and eax, 1023
    mov dword ptr [pt1 + eax * 4], OFFSET frame + P + W
    pop eax
    iretd

# PTE_LOOP name, timed, other: each iteration does one thing to the entries of PAGES pages with the clock on, and then the
# other with the clock off. EDX is the entry's number, EDI the page's address.
.macro PTE_LOOP name, timed, other
\name:
    mov dword ptr [sum], 0
1:  EACH_PAGE \other
    rdtsc
    mov [started], eax
    EACH_PAGE \timed
    rdtsc
    sub eax, [started]
    add [sum], eax
    dec ebp
    jnz 1b
    mov eax, [sum]
    ret
.endm
.macro EACH_PAGE what
    xor ecx, ecx
    mov edi, WINDOW
    .balign 16
2:  \what
    add edi, 4096
    inc ecx
    cmp ecx, PAGES
    jb 2b
.endm
.macro PRESENT
    mov dword ptr [pt1 + ecx * 4], OFFSET frame + P + W
.endm
.macro NOT_PRESENT
    mov dword ptr [pt1 + ecx * 4], OFFSET frame + W
.endm
.macro PRESENT_TOUCH
    PRESENT
    mov eax, [edi]
.endm
.macro NOT_PRESENT_INVLPG
    NOT_PRESENT
    invlpg [edi]
.endm
.macro TOUCH
    mov eax, [edi]
.endm
    PTE_LOOP pte_np, NOT_PRESENT, PRESENT
    PTE_LOOP pte_p, PRESENT, NOT_PRESENT
    PTE_LOOP pte_np_invlpg, NOT_PRESENT_INVLPG, PRESENT_TOUCH
    PTE_LOOP pte_p_touch, PRESENT_TOUCH, NOT_PRESENT_INVLPG
    PTE_LOOP remap, TOUCH, NOT_PRESENT_INVLPG

    .section .bss
    .balign 4096
page_dir2: .skip 4096
page_dirs: .skip SPACES * 4096
frame: .skip 4096
milliseconds: .skip 4
best: .skip 4
sum: .skip 4
