# One of its cases fails.
    .include "unit.inc"
main:
    mov ecx, 1
    CASE "one is one", ecx, 1
    CASE "one is two", ecx, 2
    SUMMARY
    ret
