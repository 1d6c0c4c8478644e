#! title = "SYSENTER, SYSEXIT, VERW and loads of FS over and over: same effect each time, until MSRs, descriptors or GDTR change"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# SDM volume 2B, SYSENTER and SYSEXIT; volume 3A, 5.8.7 and 6.8.1. A translator that remembers what they did must notice.
    .include "pm.inc"
    .include "pic.inc"
    .set SYS, SPARE                 # 30 code, 38 data, 40 code of ring 3, 48 data of ring 3
    .set S, SPARE + 0x20
    .set ID, 0x200000

.macro MSR number, value
    mov ecx, \number
    mov eax, OFFSET \value
    xor edx, edx
    wrmsr
.endm

main:
    DESC SYS, 0, 0xfffff, 0x9b, 0xc0
    DESC SYS + 8, 0, 0xfffff, 0x93, 0xc0
    DESC SYS + 0x10, 0, 0xfffff, 0xfb, 0xc0
    DESC SYS + 0x18, 0, 0xfffff, 0xf3, 0xc0
    DESC S, table, 0xfffff, 0x93, 0xc0
    mov [main_esp], esp
    call pic_init
    GATE 0x20, timer
    MSR 0x174, SYS
    MSR 0x175, stack_a
    MSR 0x176, entry_a
    mov dword ptr [want_esp], OFFSET stack_a
    mov dword ptr [want_eip], OFFSET entry_a
    mov dword ptr [want_fs], 0x11111111
    mov dword ptr [rounds], 60

kernel:
    # FS: its segment, null, and its segment again.
    mov eax, S
    stc
    mov fs, eax
    jnc bad
    EXPECT fs:[0], [want_fs]
    xor eax, eax
    mov fs, eax
    mov ebx, fs
    EXPECT ebx, 0
    .ifndef QEMU                    # it reads through a null selector
    FAULTS 13, 0, mov eax, fs:[0]
    .endif
    push S
    mov ebp, esp
    pop fs
    sub ebp, esp
    EXPECT ebp, -4
    EXPECT fs:[0], [want_fs]
    # VERW of the stack's segment, writable and not; the other flags stay.
    mov ecx, ss
    mov edi, [gdt_pointer + 2]
    add edi, ecx
    mov al, 0x7f
    add al, 1
    verw cx
    pushfd
    pop esi
    and esi, 0x8d5
    EXPECT esi, 0x8d0
    and byte ptr [edi + 5], 0xfd
    mov al, 0x7f
    add al, 1
    verw cx
    pushfd
    pop esi
    and esi, 0x8d5
    EXPECT esi, 0x890
    or byte ptr [edi + 5], 2
    # GS and ID are other ones every few rounds.
    mov eax, [rounds]
    and eax, 4
    mov eax, DATA3
    jz 1f
    mov eax, S
1:  mov gs, eax
    mov [want_gs], eax
    mov eax, [rounds]
    and eax, 8
    shl eax, 18
    or eax, 2
    push eax
    popfd
    pushfd
    pop [want_flags]
    and dword ptr [want_flags], ID
    mov ecx, OFFSET stack3_top
    mov edx, OFFSET user
    mov al, 0x7f
    add al, 1                       # OF SF AF
    sysexit
user:
    pushfd
    pop esi
    mov ebx, cs
    mov ebp, ss
    mov edi, gs
    movzx eax, al
    EXPECT eax, 0x80
    mov eax, esi
    and eax, 0xad5
    EXPECT eax, 0x890
    and esi, ID
    EXPECT esi, [want_flags]
    EXPECT ebx, SYS + 0x13
    EXPECT ebp, SYS + 0x1b
    EXPECT edi, [want_gs]
    EXPECT esp, (OFFSET stack3_top)
    EXPECT fs:[0], [want_fs]
    mov eax, 0x12345678
    stc
    sysenter
    jmp bad
entry_a:
    mov ebx, OFFSET entry_a
    jmp entered
entry_b:
    mov ebx, OFFSET entry_b
entered:
    jnc bad
    mov ebp, esp
    mov esp, [main_esp]
    pushfd
    pop esi
    EXPECT ebp, [want_esp]
    EXPECT ebx, [want_eip]
    EXPECT eax, 0x12345678
    mov eax, cs
    EXPECT eax, SYS
    mov eax, ss
    EXPECT eax, SYS + 8
    and esi, ID
    EXPECT esi, [want_flags]
    dec dword ptr [rounds]
    cmp dword ptr [rounds], 45
    je other_msrs
    cmp dword ptr [rounds], 30
    je other_descriptor
    cmp dword ptr [rounds], 15
    je other_gdt
    cmp dword ptr [rounds], 0
    jne kernel
    jmp interrupts

other_msrs:
    MSR 0x175, stack_b
    MSR 0x176, entry_b
    mov dword ptr [want_esp], OFFSET stack_b
    mov dword ptr [want_eip], OFFSET entry_b
    jmp kernel

other_descriptor:
    DESC S, table + 4, 0xfffff, 0x92, 0xc0
    mov dword ptr [want_fs], 0x22222222
    mov eax, S
    mov fs, eax
    movzx eax, byte ptr [gdt + S + 5]
    EXPECT eax, 0x93                # the accessed flag
    # Not present: the load faults, and FS stays.
    and byte ptr [gdt + S + 5], 0x7f
    mov eax, S
    FAULTS 11, S, mov fs, eax
    movzx eax, word ptr [exc_fs]
    EXPECT eax, S
    or byte ptr [gdt + S + 5], 0x80
    jmp kernel

other_gdt:
    mov esi, OFFSET gdt
    mov edi, OFFSET gdt2
    mov ecx, gdt_end - gdt
    rep movsb
    mov dword ptr [gdt_pointer + 2], OFFSET gdt2
    lgdt [gdt_pointer]
    mov word ptr [gdt2 + S + 2], OFFSET 0   # the table's base, put together below
    mov eax, OFFSET table + 8
    mov [gdt2 + S + 2], ax
    shr eax, 16
    mov [gdt2 + S + 4], al
    mov [gdt2 + S + 7], ah
    mov dword ptr [want_fs], 0x33333333
    jmp kernel

# An interrupt that waits when STI; SYSEXIT is reached comes at the first instruction outside. Several times.
interrupts:
    mov dword ptr [rounds], 20
    UNMASK 1
again:
    PIT0 0, 20
1:  mov al, 0x0a                    # until the timer's line is up
    out 0x20, al
    in al, 0x20
    test al, 1
    jz 1b
    mov dword ptr [timer_eip], 0
    mov ecx, OFFSET stack3_top
    mov edx, OFFSET user2
    xor ebx, ebx
    sti
    sysexit
user2:
    inc ebx
    sysenter
    jmp bad
timer:
    push eax
    mov eax, [esp + 4]
    mov [timer_eip], eax
    mov eax, [esp + 8]
    mov [timer_cs], eax
    mov [timer_ebx], ebx
    EOI
    pop eax
    mov dword ptr [esp + 8], 2      # back with IF clear
    mov dword ptr [want_eip], OFFSET entry_c
    push eax
    push ecx
    push edx
    MSR 0x176, entry_c
    pop edx
    pop ecx
    pop eax
    iretd
entry_c:
    mov eax, DATA0                  # the IRET outward left null selectors
    mov ds, eax
    mov es, eax
    mov esp, [main_esp]
    EXPECT [timer_eip], (OFFSET user2)
    EXPECT [timer_cs], SYS + 0x13
    EXPECT [timer_ebx], 0
    EXPECT ebx, 1
    dec dword ptr [rounds]
    jnz again
    mov eax, DATA0
    mov ss, eax
    mov esp, [main_esp]
    mov ds, eax
    mov es, eax
    ret

bad:
    FAIL

    .data
    .align 4
table:
    .long 0x11111111, 0x22222222, 0x33333333
rounds: .long 0
main_esp: .long 0
want_esp: .long 0
want_eip: .long 0
want_fs: .long 0
want_gs: .long 0
want_flags: .long 0
timer_eip: .long 0
timer_cs: .long 0
timer_ebx: .long 0
    .align 8
gdt2: .skip 256
    .skip 1024
stack_a:
    .skip 1024
stack_b:
    .skip 16
