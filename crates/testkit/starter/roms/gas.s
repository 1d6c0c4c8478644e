#! title = "GNU assembler: numbers add up"
#! serial = "PASS\r\n"
#! requires = ["as", "ld"]
#
# The lines above are the head: TOML that says what the test must do (ringer test --help names the page with all keys).
# A source without `load` becomes a Multiboot image. pm.inc comes with Ringer: 32-bit protected mode, exceptions that
# are caught, a serial port, and EXPECT, which ends the test as failed unless two values are equal.
    .include "pm.inc"

main:
    mov eax, 2
    add eax, 2
    EXPECT eax, 4
    ret                             # pm.inc prints PASS and writes 0 to port F4h, the debug-exit port
