#! title = "Descriptor tables and stacks that end with RAM or have none: checks as ever, lost writes, never a crash"
#! load = "multiboot"
#! memory = "32M"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 41. The SDM leaves the bus to the platform; what must hold: the processor's own checks, and that the machine lives
# (QEMU issue 2180, v86 issue 1552). ROM is at F0000h, RAM ends at 2000000h, nothing is at D0000000h.
    .include "pm.inc"
    .set END, 0x2000000
    .set HOLE, 0xd0000000
    .set ROM, 0xf0000

.macro TABLE at, limit
    mov word ptr [pointer], \limit
    mov dword ptr [pointer + 2], (\at)
.endm
# Copies the GDT to EDI.
.macro COPY_GDT
    cld
    mov esi, OFFSET gdt
    mov ecx, 12
    rep movsd
.endm

main:
    mov dword ptr [rounds], 20
again:
    # The GDT's first six entries are RAM's last bytes, the rest is beyond.
    mov edi, END - 48
    COPY_GDT
    TABLE END-48, 0xff
    lgdt [pointer]
    mov eax, CODE3
    mov gs, eax                     # inside: as ever
    mov eax, gs
    EXPECT eax, CODE3
    jmp CODE0:OFFSET 1f
1:  ARM 2f                          # beyond: all ones is a conforming code segment, all zeros is refused; no more is said
    mov eax, 0x30
    mov gs, eax
2:  DISARM
    mov eax, [exc_vector]
    cmp eax, 13
    je 3f
    EXPECT eax, -1
3:  mov eax, 0x38
    lar ebx, eax
    lsl ebx, eax
    verr ax
    verw ax
    # A table that straddles the end by half a descriptor.
    mov edi, END - 52
    COPY_GDT
    TABLE END-52, 0xff
    lgdt [pointer]
    mov eax, 0x30
    lar ebx, eax
    mov eax, DATA3
    mov gs, eax
    # The GDT in ROM and in the hole: looked at only.
    TABLE ROM, 0xff
    lgdt [pointer]
    mov eax, 0x18
    lar ebx, eax
    verr ax
    TABLE HOLE, 0xffff
    lgdt [pointer]
    mov ecx, 64
4:  lea eax, [ecx * 8]
    lar ebx, eax
    lsl ebx, eax
    verr ax
    verw ax
    dec ecx
    jnz 4b
    lgdt [gdt_pointer]
    # An LDT in the hole: a selector of it is beyond nothing, its entries are the bus's.
    DESC SPARE, HOLE, 0xff, 0x82, 0
    mov eax, SPARE
    lldt ax
    mov eax, 4
    lar ebx, eax
    ARM 5f
    mov gs, eax
5:  DISARM
    xor eax, eax
    lldt ax

    # The IDT: entries 0 to 13 in RAM, the others beyond its end: #GP for INT 30h, or whatever ones say, comes by entry 13.
    cld
    mov esi, OFFSET idt
    mov edi, END - 14 * 8
    mov ecx, 28
    rep movsd
    TABLE END-14*8, 0x7ff
    lidt [pointer]
    FAULTS 13, 0x30*8+2, int 0x30
    FAULTS 6, 0, ud2
    FAULTS 13, 0x8000, jmp 0x8000:0
    lidt [idt_pointer]

    # Stacks in the hole: what is pushed is lost.
    mov [saved_esp], esp
    mov esp, HOLE + 0x1000
    pushad
    popad
    call 1f
1:  pushfd
    enter 16, 3
    leave
    pop eax
    pop eax
    mov ebx, esp
    mov esp, [saved_esp]
    EXPECT ebx, HOLE+0x1000
    # At the end of RAM: the push is in RAM, the one above is not.
    mov ebp, esp
    mov esp, END + 4
    push 0x1111
    push 0x2222
    pop ebx
    mov esp, ebp
    EXPECT ebx, 0x2222
    EXPECT "dword ptr [END - 4]", 0x2222
    mov dword ptr [END - 2], -1     # straddles
    mov ax, [END - 2]
    and eax, 0xffff
    EXPECT eax, 0xffff
    dec dword ptr [rounds]
    jnz again
    ret

    .section .bss
    .balign 4
pointer: .skip 8
saved_esp: .skip 4
rounds: .skip 4
