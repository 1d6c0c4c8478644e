# Never ends.
    .include "unit.inc"
main:
    jmp main
