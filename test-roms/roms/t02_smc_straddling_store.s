#! title = "A self-modifying store that straddles two pages; a page shared by hot data and code"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 2. SDM volume 3A, 11.6.
    .include "pm.inc"
    .section .text
main:
    # One routine runs over the boundary: an immediate is the first page's last byte, an opcode the next one's first.
    # One store changes both: INC EAX (40h) or DEC EAX (48h).
    mov ecx, 100
1:  mov al, cl
    mov ah, cl
    and ah, 1
    shl ah, 3
    or ah, 0x40
    mov [page_end - 1], ax
    mov eax, 1000
    call before
    movzx ebx, cl
    EXPECT edx, ebx
    mov ebx, 1001
    test cl, 1
    jz 2f
    mov ebx, 999
2:  EXPECT eax, ebx
    dec ecx
    jnz 1b

    # One instruction lies over the boundary, patched as a whole and in each half.
    mov dword ptr [over + 1], 0x11223344
    call over
    EXPECT eax, 0x11223344
    mov byte ptr [over + 1], 0x55
    call over
    EXPECT eax, 0x11223355
    mov byte ptr [over + 4], 0x66
    call over
    EXPECT eax, 0x66223355

    # Data next to code, written in a loop that runs on the same page.
    mov ecx, 20000
    xor eax, eax
2:  call hot
    dec ecx
    jnz 2b
    EXPECT [counter], 20000
    EXPECT eax, 20000
    # ... and then the code there changes after all: INC EAX becomes DEC EAX.
    mov byte ptr [hot_step], 0x48
    mov ecx, 500
3:  call hot
    dec ecx
    jnz 3b
    EXPECT [counter], 20500
    EXPECT eax, 19500
    # Stores around the code, never on it, of all sizes.
    mov ecx, 1000
4:  mov byte ptr [hot - 1], cl
    mov word ptr [hot - 2], cx
    mov dword ptr [hot_end], ecx
    mov byte ptr [hot_end], 1
    inc byte ptr [hot_end + 1]
    call hot
    dec ecx
    jnz 4b
    EXPECT eax, 18500
    ret

    .balign 4096
    .skip 4096 - 4
before:
    xor edx, edx
    mov dl, 0                       # B2 ib
page_end:
    inc eax
    ret

    .balign 4096
    .skip 4096 - 3
over:
    mov eax, 0                      # B8 and two bytes here, two bytes there
    ret

    .balign 4096
    .skip 128
hot:
    inc dword ptr [counter]
hot_step:
    inc eax
    ret
hot_end: .skip 8
counter: .long 0
    .balign 4096
