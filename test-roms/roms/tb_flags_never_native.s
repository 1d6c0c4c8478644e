#! title = "AC, NT, ID, DF and IOPL set in hot code: kept for the guest, never in force on the host"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md, table B, EFLAGS.AC, TF, NT, DF. The flags are on while pages are touched for the first time, ports read, code
# rewritten: all that takes a translator out of its own code. AC without CR0.AM means nothing; DF runs strings backwards.
    .include "pm.inc"
    .include "paging.inc"
    .set AC, 0x40000
    .set NT, 0x4000
    .set ID, 0x200000
    .set DF, 0x400
    .set IOPL, 0x3000

# WITH flags: EFLAGS holds them at the end as at the start, and all the work was done.
.macro WITH flags
    pushd \flags + 2
    pop [want]
    call with_flags
.endm

main:
    call paging_on
    mov dword ptr [rounds], 30
1:  WITH AC
    WITH NT
    WITH DF
    WITH ID
    WITH AC+NT+DF+ID+IOPL+0x8d5
    WITH 0
    dec dword ptr [rounds]
    jnz 1b

    # Ring 3 with AC set and AM clear; then with AM, where only alignment matters.
    mov dword ptr [rounds], 30
2:  RING3 unaligned, 0x40002
    EXPECT [exc_vector], 0x30
    EXPECT ebx, 0x100
    mov eax, cr0
    or eax, 0x40000
    mov cr0, eax
    .ifndef QEMU                    # (QEMU has no #AC)
    RING3 unaligned, 0x40002
    EXPECT [exc_vector], 17
    .endif
    RING3 unaligned, 2
    EXPECT [exc_vector], 0x30
    mov eax, cr0
    and eax, ~0x40000
    mov cr0, eax
    dec dword ptr [rounds]
    jnz 2b
    ret

unaligned:
    mov ebx, 0x100
    mov [frame + 1], ebx
    mov ebx, [frame + 1]
    int 0x30

with_flags:
    mov ecx, 16
    mov eax, OFFSET frame + P + W + U
    mov edi, OFFSET pt1
    cld
    rep stosd
    FLUSH
    push [want]
    popfd
    mov ecx, 16                     # no instruction below changes an arithmetic flag
    mov edi, WINDOW
1:  mov [edi + 1], ecx              # unaligned, first touch
    mov eax, [edi + 1]
    in al, 0x61
    mov [touch_code + 1], ecx
    call touch_code
    lea edi, [edi + 4096]
    lea ecx, [ecx - 1]
    jecxz 2f
    jmp 1b
2:  pushfd
    pop ebx
    mov edi, OFFSET buffer + 16     # two bytes, this way or that
    stosw
    mov eax, edi
    pushd 2
    popfd
    and ebx, 0x27ffd7               # (without the bits that POPFD leaves alone)
    EXPECT ebx, [want]
    mov edx, OFFSET buffer + 18
    test dword ptr [want], DF
    jz 3f
    mov edx, OFFSET buffer + 14
3:  EXPECT eax, edx
    ret

    .balign 4096
touch_code:
    mov eax, 0
    ret
    .balign 4096

    .section .bss
    .balign 4096
frame: .skip 8192
buffer: .skip 64
want: .skip 4
rounds: .skip 4
