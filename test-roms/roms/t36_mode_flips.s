#! title = "CR0.PG on and off around running code; tables of descriptors and stacks outside RAM"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 36, 41. SDM volume 3A, 9.8.5, 2.5. Reads where no memory answers are ones or anything; nothing may crash but the
# guest.
    .include "pm.inc"
    .include "paging.inc"

main:
    # PG on and off a hundred times; a window page shows paging, physical memory shows none.
    call paging_on
    MAP 0, frame, P+W
    mov dword ptr [frame], 0xabcd1234
    mov ebp, 100
1:  EXPECT [WINDOW], 0xabcd1234
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov dword ptr [WINDOW], 0x4321  # physical 4 MiB
    mov ebx, [WINDOW]
    or eax, 0x80000000
    mov cr0, eax
    EXPECT ebx, 0x4321
    dec ebp
    jnz 1b
    # The code is not mapped one to one: another copy of the page takes over when PG flips.
    mov esi, OFFSET flip_page
    mov edi, OFFSET copy
    mov ecx, 1024
    rep movsd
    mov byte ptr [copy + (flip_value - flip_page) + 1], 2
    mov eax, OFFSET flip_page
    shr eax, 12
    mov ebx, OFFSET copy + P + W
    lea edi, [pt0 + eax * 4]
    mov ecx, [edi]
    mov [edi], ebx                  # with paging the copy is at flip_page's address
    FLUSH
    call flip_page                  # runs the copy: 2, turns paging off: the original goes on
    EXPECT ebx, 2
    EXPECT edx, 1
    mov [edi], ecx
    FLUSH

    # A GDT where there is no memory, and one in ROM: LAR and VERR look there (a load that faulted could not be delivered).
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov word ptr [pointer], 0xff
    mov dword ptr [pointer + 2], 0xd0000000
    lgdt [pointer]
    mov eax, 0x40
    lar ebx, eax
    verr ax
    mov dword ptr [pointer + 2], 0xf0000
    lgdt [pointer]
    lar ebx, eax
    lsl ebx, eax
    lgdt [gdt_pointer]
    mov eax, DATA0
    lar ebx, eax
    setz al
    movzx eax, al
    EXPECT eax, 1
    # A stack where nothing is: pushes are lost, pops bring what the bus has.
    mov ebp, esp
    mov esp, 0xd0001000
    push 0x1234
    pushad
    pop eax
    mov esp, ebp
    # Code in ROM runs or faults; a store to ROM is lost.
    mov eax, [0xffff0]
    mov dword ptr [0xffff0], 0
    EXPECT [0xffff0], eax
    # Data at the hole.
    mov eax, [0xd0000000]
    mov dword ptr [0xd0000000], 1
    lock inc dword ptr [0xd0000000]
    mov esi, 0xd0000000
    mov edi, OFFSET frame
    mov ecx, 16
    rep movsd
    ret

    .balign 4096
flip_page:
flip_value:
    mov edx, 1
    mov ebx, edx
    mov eax, cr0
    xor eax, 0x80000000
    mov cr0, eax
    jmp 1f
1:  call flip_value_only
    mov eax, cr0
    xor eax, 0x80000000
    mov cr0, eax
    ret
    .skip 64
flip_value_only:
    mov edx, 1
    ret
    .balign 4096

    .section .bss
    .balign 4096
frame: .skip 4096
copy: .skip 4096
pointer: .skip 8
