# A kernel of our own that says what hardware it finds: each function on PCI's first bus with its identity, its regions and their sizes, its pin and
# capabilities; the tables of firmware, with what they say of interrupts and power. No line has an address in it that firmware gives out.
#! title = "What there is on the PCI bus and in firmware's tables"
#! load = "multiboot"
    .include "pm.inc"

# say "text", value: the value in eight digits.
.macro SAY text, value
    PRINT "\text"
    push eax
    mov eax, \value
    call puthex
    pop eax
.endm

main:
    xor edi, edi                        # bus 0, by device and function
1:  mov ebx, edi
    shl ebx, 8
    or ebx, 0x80000000
    xor ecx, ecx
    call config
    cmp ax, 0xffff
    je 2f
    call function
2:  inc edi
    cmp edi, 256
    jb 1b
    call tables
    PRINT "@end\r\n"
    ret

# EAX: register ECX (bytes) of the function at EBX. All else is kept.
config:
    push edx
    mov edx, 0xcf8
    lea eax, [ebx + ecx]
    out dx, eax
    mov edx, 0xcfc
    in eax, dx
    pop edx
    ret
# EAX to it.
set_config:
    push edx
    push eax
    mov edx, 0xcf8
    lea eax, [ebx + ecx]
    out dx, eax
    pop eax
    mov edx, 0xcfc
    out dx, eax
    pop edx
    ret

function:
    SAY "function ", edi
    SAY " identity ", eax
    mov ecx, 0x2c
    call config
    SAY " subsystem ", eax
    mov ecx, 8
    call config
    SAY " class ", eax
    mov ecx, 12
    call config
    and eax, 0x00ff0000                 # header type
    SAY " header ", eax
    mov ecx, 0x3c
    call config
    shr eax, 8
    and eax, 0xff
    SAY " pin ", eax
    PRINT "\r\n"
    # While sizes are asked for it decodes nothing.
    mov ecx, 4
    call config
    push eax
    and eax, 0xfff8
    call set_config
    mov ecx, 0x10
3:  call region
    add ecx, 4
    cmp ecx, 0x28
    jb 3b
    mov ecx, 0x30
    call region
    mov ecx, 4
    pop eax
    and eax, 0xffff
    call set_config
    mov ecx, 4
    call config
    test eax, 0x00100000                # a list of capabilities
    jz 5f
    mov ecx, 0x34
    call config
4:  movzx ecx, al
    and ecx, 0xfc
    jz 5f
    call config
    push eax
    and eax, 0xff
    SAY " function ", edi
    SAY " capability ", eax
    PRINT "\r\n"
    pop eax
    mov al, ah
    jmp 4b
5:  ret

# The region at ECX: which bits are fixed, which say its size.
region:
    call config
    mov esi, eax
    mov eax, 0xffffffff
    cmp ecx, 0x30
    jne 6f
    mov eax, 0xfffffffe                 # not switched on
6:  call set_config
    call config
    push eax
    mov eax, esi
    call set_config
    pop eax
    test eax, eax
    jz 7f
    SAY " function ", edi
    SAY " region ", ecx
    SAY " ", eax
    PRINT "\r\n"
7:  ret

# ESI of ECX bytes has a sum of 0, or it is said.
sum:
    pushad
    xor eax, eax
8:  add al, [esi]
    inc esi
    loop 8b
    test al, al
    jz 9f
    PRINT "  a wrong sum\r\n"
9:  popad
    ret

# Four characters at ESI.
four:
    pushad
    mov ecx, 4
10: lodsb
    call putc
    loop 10b
    popad
    ret

# Looks from EAX to 100000h at every paragraph for the characters in EDX: ESI, or 0.
look:
    mov esi, eax
11: cmp [esi], edx
    je 12f
    add esi, 16
    cmp esi, 0x100000
    jb 11b
    xor esi, esi
12: ret

tables:
    mov eax, 0xe0000
    mov edx, 0x20445352                 # "RSD "
    call look
    test esi, esi
    jnz 13f
    PRINT "no ACPI\r\n"
    jmp 18f
13: mov ecx, 20
    call sum
    movzx eax, byte ptr [esi + 15]
    SAY "ACPI, revision ", eax
    PRINT "\r\n"
    mov esi, [esi + 16]
    call table
    mov ebp, esi                        # RSDT
    mov ecx, [ebp + 4]
    add ecx, ebp
    lea ebx, [ebp + 36]
14: cmp ebx, ecx
    jae 15f
    mov esi, [ebx]
    push ecx
    push ebx
    call table
    call facts
    pop ebx
    pop ecx
    add ebx, 4
    jmp 14b
15:
18: mov eax, 0xe0000
    mov edx, 0x5f4d535f                 # "_SM_"
    call look
    test esi, esi
    jz 19f
    movzx ecx, byte ptr [esi + 5]
    call sum
    PRINT "SMBIOS\r\n"
19: mov eax, 0x9fc00
    mov edx, 0x5f504d5f                 # "_MP_"
    call look
    test esi, esi
    jz 20f
    mov ecx, 16
    call sum
    movzx eax, byte ptr [esi + 9]
    SAY "MP table, revision ", eax
    mov esi, [esi + 4]
    movzx ecx, word ptr [esi + 4]
    call sum
    movzx eax, word ptr [esi + 34]
    SAY " entries ", eax
    PRINT "\r\n"
20: ret

# A table of ACPI's.
table:
    PRINT " table "
    call four
    movzx eax, byte ptr [esi + 8]
    SAY " revision ", eax
    mov ecx, [esi + 4]
    call sum
    PRINT "\r\n"
    ret

# What some tables say.
facts:
    cmp dword ptr [esi], 0x50434146     # "FACP"
    jne 22f
    movzx eax, word ptr [esi + 46]
    SAY "  SCI ", eax
    SAY " SMI command ", [esi + 48]
    movzx eax, word ptr [esi + 52]
    SAY " on, off ", eax
    SAY " PM1 events ", [esi + 56]
    SAY " PM1 control ", [esi + 64]
    SAY " PM timer ", [esi + 76]
    SAY " GPE0 ", [esi + 80]
    SAY " flags ", [esi + 112]
    PRINT "\r\n"
    push esi
    mov esi, [esi + 40]
    call table
    pop esi
    ret
22: cmp dword ptr [esi], 0x43495041     # "APIC"
    jne 24f
    SAY "  local APIC ", [esi + 36]
    SAY " flags ", [esi + 40]
    PRINT "\r\n"
    mov edx, [esi + 4]
    add edx, esi
    lea ebx, [esi + 44]
23: cmp ebx, edx
    jae 26f
    movzx eax, word ptr [ebx]
    SAY "  entry ", eax
    movzx ecx, byte ptr [ebx + 1]
    push ebx
    push edx
    add ecx, ebx
    add ebx, 2
27: cmp ebx, ecx
    jae 28f
    movzx eax, word ptr [ebx]
    SAY " ", eax
    add ebx, 2
    jmp 27b
28: PRINT "\r\n"
    pop edx
    pop ebx
    movzx ecx, byte ptr [ebx + 1]
    test ecx, ecx
    jz 26f
    add ebx, ecx
    jmp 23b
24: cmp dword ptr [esi], 0x54455048     # "HPET"
    jne 26f
    SAY "  block ", [esi + 36]
    SAY " at ", [esi + 44]
    PRINT "\r\n"
26: ret

