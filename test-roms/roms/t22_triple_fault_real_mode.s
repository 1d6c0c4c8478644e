#! title = "Real mode with an empty IDT: INT n ends in a shutdown"
#! load = "rom"
#! serial = "to the end\r\n"
#! end = "triple-fault"
# docs/traps.md 22. SDM volume 3B, 20.1.4: a vector beyond the IDT's limit is #GP, whose vector is beyond it too, then #DF, then
# shutdown.
    .include "real.inc"
    RESET_VECTOR start

start:
    REAL_START
    mov dword ptr ds:[0x600], 0
    mov dword ptr ds:[0x604], 0
    PRINT16 "to the end\r\n"
    lidtd ds:[0x600]
    int 0x10
    EXPECT16 0xbad, 0
    PASS16
