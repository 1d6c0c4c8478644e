#! title = "CR2 is written by the #PF that the guest gets, and by nothing else"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 24. SDM volume 3A, 6.15 (#PF). A translator's own faults (pages not yet in its shadow, pages that hold translated
# code, device memory) must leave CR2 alone.
    .include "pm.inc"
    .include "paging.inc"
    .set ADDR, WINDOW + 0x3000
    .set MARK, 0x5a5a5a5a

.macro CR2_IS want
    mov eax, cr2
    EXPECT eax, \want
.endm

main:
    call paging_on
    FAULTS 14, 0, mov al, [ADDR + 0x123]
    CR2_IS ADDR+0x123

    # Pages touched for the first time, read and written, by every kind of access.
    MAP 0, frames, P+W+U
    MAP 1, frames+0x1000, P+W+U
    MAP 2, frames+0x2000, P+W+U
    FLUSH
    mov al, [WINDOW]
    mov [WINDOW + 0x1000], al
    mov eax, [WINDOW + 0x1ffe]      # two pages at once
    lea esi, [WINDOW]
    lea edi, [WINDOW + 0x1000]
    mov ecx, 0x2000 / 4
    rep movsd
    CR2_IS ADDR+0x123

    # Code that is run, written and run again.
    mov eax, MARK
    mov cr2, eax
    mov ebx, 3
1:  mov byte ptr [WINDOW], 0xc3
    mov ecx, WINDOW
    call ecx
    dec ebx
    jnz 1b
    CR2_IS MARK

    # A page that turns read-only while CR0.WP is clear is written by ring 0 all the same.
    MAP 1, frames+0x1000, P
    FLUSH
    mov [WINDOW + 0x1000], al
    CR2_IS MARK

    # Faults of other kinds.
    mov eax, 0x7f8                  # a selector beyond the GDT
    FAULTS 13, 0x7f8, mov ds, eax
    FAULTS 6, 0, ud2
    xor ecx, ecx
    FAULTS 0, 0, div ecx
    CR2_IS MARK

    # Device memory that nobody claims, and the VGA text page.
    mov al, [0xb8000]
    mov [0xb8000], al
    CR2_IS MARK

    # A fault whose first page is good names the second; a fetch names the instruction.
    FAULTS 14, 2, mov dword ptr [ADDR - 2], 1
    CR2_IS ADDR
    mov eax, MARK
    mov cr2, eax
    ARM 2f
    mov ecx, ADDR + 0x40
    jmp ecx
2:  DISARM
    EXPECT [exc_vector], 14
    CR2_IS ADDR+0x40
    # What a page fault's handler reads is the address of that fault, again and again.
    mov ebx, 5
3:  lea edx, [ADDR + ebx * 8]
    FAULTS 14, 0, mov al, [edx]
    mov eax, cr2
    EXPECT eax, edx
    dec ebx
    jnz 3b
    ret

    .section .bss
    .balign 4096
frames: .skip 4096 * 3
