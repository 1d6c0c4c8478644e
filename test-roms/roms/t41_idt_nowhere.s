#! title = "An IDT where no memory is: the first exception shuts the processor down"
#! load = "multiboot"
#! serial = "to the end\r\n"
#! end = "triple-fault"
# docs/traps.md 41, 22. What is read there is no gate (all ones: the S bit is set; all zeros: type 0), so #UD becomes #GP, then #DF,
# then a triple fault.
    .include "pm.inc"

main:
    mov word ptr [pointer], 0x7ff
    mov dword ptr [pointer + 2], 0xd0000000
    PRINT "to the end\r\n"
    lidt [pointer]
    ud2
    FAIL

    .section .bss
pointer: .skip 8
