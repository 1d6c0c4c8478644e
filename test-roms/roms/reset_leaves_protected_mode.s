#! title = "Out of protected mode as on a 286: a code in CMOS 0Fh, a pointer at 40:67h, and a reset"
#! load = "multiboot"
#! reboot = true
#! serial = "PASS\r\n"
#! debug-exit = 0
# The PC AT's BIOS: codes 05h (end of interrupt, then a far jump), 0Ah (the jump alone), 0Bh and 0Ch (IRET, far RET), each
# for one reset only. Memory stays, and so do the devices, but the processor is in real mode. Not for QEMU: SeaBIOS takes
# each of its resets for a power-on, and boots.
    .include "pm.inc"
    .include "pic.inc"

    .set LANDING, 0x20000           # 2000:0000
    .set STACK, 0x21000             # 2000:1000

# AWAY code, pull: resets by the instructions `pull`, and comes back to the line after with flat segments.
.macro AWAY code, pull:vararg
    mov al, \code
    call leave_word
    mov dword ptr [return_to], OFFSET 771f
    mov [saved_esp], esp
    \pull
770: jmp 770b                       # (a reset may take its time)
771:
    EXPECT [landed], 0x2000         # CS
    movzx eax, word ptr [landed + 4]
    and eax, 1
    EXPECT eax, 0                   # MSW.PE
    EXPECT [landed + 8], 0          # CMOS 0Fh: once is enough
.endm

main:
    .ifndef QEMU
    mov esi, OFFSET landing
    mov edi, LANDING
    mov ecx, OFFSET landing_end - landing
    rep movsb
    mov dword ptr [0x467], LANDING << 12
    mov dword ptr [kept], 0x600d600d

    AWAY 0x0a, call keyboard_reset
    EXPECT [kept], 0x600d600d
    AWAY 0x0a, call port_92
    AWAY 0x0a, call port_cf9
    AWAY 0x0a, call triple_fault
    AWAY 0x0a, call triple_fault    # at the same place, as often as the guest likes
    AWAY 0x0a, call triple_fault
    AWAY 0x05, call keyboard_reset

    # With an interrupt in service: 05h ends it, 0Ah does not.
    call pic_init
    GATE 0x20, timer
    call in_service
    AWAY 0x05, call keyboard_reset
    call service_bits
    EXPECT eax, 0
    in al, 0x21
    movzx eax, al
    EXPECT eax, 0xfe
    call in_service
    AWAY 0x0a, call keyboard_reset
    call service_bits
    EXPECT eax, 1
    EOI

    # 0Ch and 0Bh: the pointer is that of a stack.
    mov dword ptr [0x467], (LANDING << 12) + (STACK - LANDING)
    mov dword ptr [STACK], LANDING << 12
    mov word ptr [STACK + 4], 0x0893        # OF, SF, AF, CF
    AWAY 0x0c, call port_92
    EXPECT [landed + 12], (STACK + 4 - LANDING)
    EXPECT [landed + 16], 0x2000
    mov dword ptr [STACK], LANDING << 12    # (the landing has pushed over it)
    AWAY 0x0b, call port_92
    EXPECT [landed + 12], (STACK + 6 - LANDING)
    mov eax, [landed + 20]
    and eax, 0x8d5
    EXPECT eax, 0x891
    .endif
    ret

leave_word:
    mov ah, al
    mov al, 0x0f
    out 0x70, al
    mov al, ah
    out 0x71, al
    ret

keyboard_reset:
    in al, 0x64
    test al, 2
    jnz keyboard_reset
    mov al, 0xfe
    out 0x64, al
    ret

port_92:
    in al, 0x92
    and al, 0xfe
    out 0x92, al
    or al, 1
    out 0x92, al
    ret

port_cf9:
    mov dx, 0xcf9
    mov al, 2
    out dx, al
    mov al, 6
    out dx, al
    ret

triple_fault:
    lidt [nothing]
    ud2

# Leaves IRQ 0 in service.
in_service:
    mov dword ptr [ticks], 0
    UNMASK 1
    PIT0 2, 1000
    sti
1:  cmp dword ptr [ticks], 0
    je 1b
    cli
    ret

timer:
    inc dword ptr [ticks]
    and dword ptr [esp + 8], 0xfffffdff     # stay disabled after IRET
    iretd

# EAX = what the first controller has in service.
service_bits:
    mov al, 0x0b
    out 0x20, al
    in al, 0x20
    movzx eax, al
    ret

    .code16
landing:
    pushf
    pop di
    xor ax, ax
    mov ds, ax
    mov bp, sp
    mov si, ss
    mov bx, cs
    smsw dx
    mov al, 0x0f
    out 0x70, al
    in al, 0x71
    movzx cx, al
    in al, 0x92
    or al, 2
    and al, 0xfe
    out 0x92, al
    mov eax, cr0
    lgdtd cs:[landing_gdt - landing]
    or al, 1
    and eax, 0x9fffffff             # caching on
    mov cr0, eax
    .byte 0x66, 0xea
    .long back
    .word CODE0
landing_gdt:
    .word 0x1f
    .long gdt
landing_end:
    .code32
back:
    mov ax, DATA0
    mov ds, eax
    movzx ebx, bx
    mov [landed], ebx
    movzx edx, dx
    mov [landed + 4], edx
    movzx ecx, cx
    mov [landed + 8], ecx
    movzx ebp, bp
    mov [landed + 12], ebp
    movzx esi, si
    mov [landed + 16], esi
    movzx edi, di
    mov [landed + 20], edi
    mov ss, eax
    mov esp, [saved_esp]
    call load_flat_segments
    lidt [idt_pointer]
    jmp dword ptr [return_to]

    .section .data
nothing: .word 0
    .long 0
    .section .bss
    .balign 4
landed: .skip 24
kept: .skip 4
ticks: .skip 4
return_to: .skip 4
saved_esp: .skip 4
