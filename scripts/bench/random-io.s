# random-io DEVICE PAGES COUNT r|w: reads or writes COUNT pages of 4 KiB of a device that has PAGES of them, one by one, past
# the page cache, at places that a generator of Knuth's gives: the same in each run. Ends with status 1 if one fails.
    .intel_syntax noprefix
    .arch pentium4
    .globl _start
    .set O_RDWR_DIRECT, 0x4002
    .text
_start:
    mov esi, [esp + 12]
    call number
    mov [pages], eax
    mov esi, [esp + 16]
    call number
    mov [left], eax
    mov eax, [esp + 20]
    mov al, [eax]
    mov ecx, 180                    # pread64
    cmp al, 'w'
    jne 1f
    inc ecx                         # pwrite64
1:  mov [call_number], ecx
    mov eax, 5                      # open
    mov ebx, [esp + 8]
    mov ecx, O_RDWR_DIRECT
    int 0x80
    test eax, eax
    js failed
    mov [fd], eax
again:
    mov eax, [seed]
    imul eax, eax, 1664525
    add eax, 1013904223
    mov [seed], eax
    shr eax, 4
    xor edx, edx
    div dword ptr [pages]
    mov esi, edx
    mov edi, edx
    shl esi, 12
    shr edi, 20
    mov ebx, [fd]
    mov ecx, OFFSET buffer
    mov edx, 4096
    mov eax, [call_number]
    int 0x80
    cmp eax, 4096
    jne failed
    dec dword ptr [left]
    jnz again
    xor ebx, ebx
    jmp exit
failed:
    mov ebx, 1
exit:
    mov eax, 1
    int 0x80

# The decimal number at ESI, in EAX.
number:
    xor eax, eax
1:  movzx ecx, byte ptr [esi]
    sub ecx, '0'
    jb 2f
    cmp ecx, 9
    ja 2f
    imul eax, eax, 10
    add eax, ecx
    inc esi
    jmp 1b
2:  ret

    .data
seed:
    .long 12345
    .bss
    .balign 4096
buffer:
    .zero 4096
pages:
    .zero 4
left:
    .zero 4
fd:
    .zero 4
call_number:
    .zero 4
