#! title = "Power-off through ACPI's PM1a control register"
#! load = "multiboot"
#! serial = "on the way out\r\n"
#! end = "poweroff"
# ACPI specification, 4.8.3.2: SLP_TYP and SLP_EN. The FADT names the port and \_S5 the type: 604h and 5 here, 0 in QEMU.
    .include "pm.inc"
main:
    PRINT "on the way out\r\n"
    mov dx, 0x604
    .ifdef QEMU
    mov ax, 0x2000
    .else
    mov ax, 0x2000 | 5 << 10
    .endif
    out dx, ax
1:  jmp 1b                          # (an end may take its time)
