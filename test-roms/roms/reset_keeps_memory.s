#! title = "A triple fault resets: memory and CMOS are kept, the image is loaded anew, the devices are as at power-on"
#! load = "multiboot"
#! reboot = true
#! serial = "once\r\nPASS\r\n"
#! debug-exit = 0
# SDM volume 3A, 6.15 (#DF): the processor shuts down, which a PC answers with a reset. RAM is not the processor's, and
# CMOS has a battery.
    .include "pm.inc"
    .include "pic.inc"

    .set KEPT, 0x300000             # outside the image
    .set CMOS_BYTE, 0x50

main:
    cmp dword ptr [KEPT], 0x7e577e57
    je again
    PRINT "once\r\n"
    EXPECT [KEPT], 0
    mov dword ptr [KEPT], 0x7e577e57
    mov ecx, 0x40000                # a megabyte of it, by a loop that gets translated
    mov edi, KEPT + 4
1:  mov [edi], edi
    add edi, 4
    dec ecx
    jnz 1b
    mov byte ptr [changing + 1], 2  # the image's own code, data, and what it does not hold
    call changing
    EXPECT eax, 2
    mov dword ptr [filled], 1
    mov dword ptr [empty], 1
    mov dword ptr [empty + 0x8000], 1
    mov al, CMOS_BYTE
    out 0x70, al
    mov al, 0x5a
    out 0x71, al
    call pic_init                   # the controllers answer at 20h now
    UNMASK 0xffff
    lidt [nothing]
    ud2
    FAIL

again:
    mov ecx, 0x40000
    mov edi, KEPT + 4
1:  EXPECT [edi], edi
    add edi, 4
    dec ecx
    jnz 1b
    call changing
    EXPECT eax, 1
    EXPECT [filled], 7
    EXPECT [empty], 0
    EXPECT [empty + 0x8000], 0
    mov al, CMOS_BYTE
    out 0x70, al
    in al, 0x71
    movzx eax, al
    EXPECT eax, 0x5a
    EXPECT [multiboot_magic], 0x2badb002
    ret

changing:
    mov eax, 1
    ret

    .section .data
filled: .long 7
nothing: .word 0
    .long 0
    .section .bss
    .balign 4
empty: .skip 0x8004
