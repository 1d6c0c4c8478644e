# Passes.
    .include "unit.inc"
main:
    mov ecx, 6
    imul ecx, ecx, 7
    CASE "six times seven", ecx, 42
    mov ecx, -1
    shr ecx, 28
    CASE "a logical shift", ecx, 15
    SUMMARY
    ret
