#! title = "A jump to the reset vector, F000:FFF0, resets the machine"
#! load = "multiboot"
#! reboot = true
#! serial = "once\r\nPASS\r\n"
#! debug-exit = 0
# What firmware has there: the way in which DOS programs and Linux (reboot=bios) start a PC again.
    .include "pm.inc"

    .set KEPT, 0x300000
    .set REAL, 0x20000

main:
    cmp dword ptr [KEPT], 0x7e577e57
    je again
    PRINT "once\r\n"
    mov dword ptr [KEPT], 0x7e577e57
    mov esi, OFFSET real
    mov edi, REAL
    mov ecx, OFFSET real_end - real
    rep movsb
    DESC SPARE, REAL, 0xffff, 0x9b, 0
    DESC SPARE + 8, 0, 0xffff, 0x93, 0
    mov eax, SPARE + 8
    jmp SPARE:0
again:
    EXPECT [multiboot_magic], 0x2badb002
    ret

    .code16
real:
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0xf000:0xfff0
real_end:
