#! title = "A flat Multiboot image: load address, bss and entry come from its header"
#! load = "flat"
#! serial = "PASS\r\n"
#! debug-exit = 0
# Multiboot specification 0.6.96, 3.1.3 (address fields) and 3.2 (machine state): EAX magic, EBX the information, flat
# segments, paging off, interrupts off.
    .include "pm.inc"
main:
    EXPECT [multiboot_magic], 0x2badb002
    mov ebx, [multiboot_info]
    mov eax, [ebx]
    and eax, 1                      # mem_lower and mem_upper are there
    EXPECT eax, 1
    mov eax, [ebx + 8]              # KiB above 1 MiB, of 32 MiB
    mov ecx, 0
    cmp eax, 30 * 1024
    setae cl
    EXPECT ecx, 1
    mov eax, [ebx]
    test eax, 0x40                  # a memory map: find the piece at 1 MiB
    jz 3f
    mov esi, [ebx + 48]
    mov edi, [ebx + 44]
    add edi, esi
1:  cmp esi, edi
    jae 2f
    cmp dword ptr [esi + 4], 0x100000
    je 3f
    add esi, [esi]
    add esi, 4
    jmp 1b
2:  FAIL
3:  mov eax, cr0
    and eax, 0x80000001
    EXPECT eax, 1
    EXPECT [in_data], 0x600df00d
    mov edi, OFFSET in_bss
    mov ecx, 1024
    xor eax, eax
    repe scasd                      # bss is zero
    setz al
    movzx eax, al
    EXPECT eax, 1
    ret
    .section .data
in_data: .long 0x600df00d
    .section .bss
    .balign 4
in_bss: .skip 4096
