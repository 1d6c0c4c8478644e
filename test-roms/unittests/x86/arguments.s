# Its arguments stand behind its name, its environment is the first module. Without arguments it skips itself.
    .include "unit.inc"
    .set SKIPPED, 77 >> 1

main:
    mov ebx, [information]
    mov esi, [ebx + 16]             # the command line; its first word is the program's name
    call next_word
    cmp byte ptr [esi], 0
    je nothing
    CASE "the first argument is one", [esi], 0x20656e6f
    call next_word
    mov eax, [esi]
    CASE "the second is two", eax, 0x006f7774
    CASE "there is one module", [ebx+20], 1
    mov ecx, [ebx + 24]
    mov ecx, [ecx]                  # where it begins
    CASE "it is the environment", [ecx], 0x554d4551
    SUMMARY
    ret

nothing:
    PRINT "SKIP: no arguments to look at\n"
    PRINT "SUMMARY: 1 tests, 1 skipped\n"
    mov eax, SKIPPED
    ret

# ESI to what stands behind the next blank, or to the end.
next_word:
    lodsb
    test al, al
    jz 1f
    cmp al, ' '
    jne next_word
    ret
1:  dec esi
    ret
