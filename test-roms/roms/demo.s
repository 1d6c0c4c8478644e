#! title = "The demo: loops, recursion, sorting, hashing, paging, ports"
#! load = "multiboot"
#! serial-contains = ["primes below 1000000: 78498", "fib(27) = 196418", "sorted 32768 numbers", "hash of 1 MiB: ", "page tables: 512 remappings seen", "good-bye"]
#! debug-exit = 0
#! timeout = 60
# What `ringer demo` runs: a fraction of a second of work for a translator, a few seconds for the interpreter, in six pieces that stress different parts
# of one. Every figure printed is checked by the ROM itself where it is known beforehand.
    .include "pm.inc"
    .include "paging.inc"

    .set SIEVE_SIZE, 1000000
    .set SORT_COUNT, 32768
    .set HEAP, 0x200000             # free memory above the image

    .section .text
main:
    PRINT "Ringer's demo: a guest program on the bare machine.\r\n"
    mov al, 0x10
    out POST, al
    call sieve
    mov al, 0x20
    out POST, al
    call recursion
    mov al, 0x30
    out POST, al
    call sorting
    mov al, 0x40
    out POST, al
    call hashing
    mov al, 0x50
    out POST, al
    call remapping
    PRINT "good-bye\r\n"
    mov al, 0
    jmp finish

# The sieve of Eratosthenes, one byte a number, twice over.
sieve:
    mov ebp, 2
1:  mov edi, HEAP
    mov ecx, SIEVE_SIZE / 4
    mov eax, 0x01010101
    rep stosd
    mov ebx, 2
2:  cmp byte ptr [HEAP + ebx], 0
    je 4f
    mov eax, ebx
    imul eax, ebx
    cmp eax, SIEVE_SIZE
    jae 5f
3:  mov byte ptr [HEAP + eax], 0
    add eax, ebx
    cmp eax, SIEVE_SIZE
    jb 3b
4:  inc ebx
    jmp 2b
5:  dec ebp
    jnz 1b
    xor eax, eax
    mov ecx, 2
6:  movzx edx, byte ptr [HEAP + ecx]
    add eax, edx
    inc ecx
    cmp ecx, SIEVE_SIZE
    jb 6b
    PRINT "primes below 1000000: "
    call putdec
    PRINT "\r\n"
    EXPECT eax, 78498
    ret

# Fibonacci's numbers the slow way: calls and returns.
recursion:
    mov eax, 27
    call fib
    PRINT "fib(27) = "
    call putdec
    PRINT "\r\n"
    EXPECT eax, 196418
    ret

fib:
    cmp eax, 2
    jb 1f
    push ebx
    mov ebx, eax
    dec eax
    call fib
    xchg eax, ebx
    sub eax, 2
    call fib
    add eax, ebx
    pop ebx
1:  ret

# A quicksort of pseudo-random numbers: unpredictable branches.
sorting:
    mov edi, HEAP
    mov ecx, SORT_COUNT
    mov eax, 12345
1:  imul eax, eax, 1103515245
    add eax, 12345
    mov [edi], eax
    add edi, 4
    dec ecx
    jnz 1b
    mov esi, HEAP
    mov edi, HEAP + SORT_COUNT * 4 - 4
    call quicksort
    mov esi, HEAP
    mov ecx, SORT_COUNT - 1
2:  mov eax, [esi]
    cmp eax, [esi + 4]
    ja 3f
    add esi, 4
    dec ecx
    jnz 2b
    PRINT "sorted 32768 numbers: the median is "
    mov eax, [HEAP + SORT_COUNT * 2]
    call puthex
    PRINT "\r\n"
    ret
3:  FAIL

# Sorts the unsigned dwords ESI .. EDI inclusive (Hoare's partition).
quicksort:
    cmp esi, edi
    jae 9f
    push esi
    push edi
    lea eax, [esi + edi]
    shr eax, 1
    and eax, -4
    mov eax, [eax]
1:  cmp [esi], eax
    jae 2f
    add esi, 4
    jmp 1b
2:  cmp [edi], eax
    jbe 3f
    sub edi, 4
    jmp 2b
3:  cmp esi, edi
    ja 4f
    mov ecx, [esi]
    mov edx, [edi]
    mov [esi], edx
    mov [edi], ecx
    add esi, 4
    sub edi, 4
    cmp esi, edi
    jbe 1b
4:  mov ecx, [esp + 4]              # the left part: old ESI .. EDI
    push esi
    mov esi, ecx
    call quicksort
    pop esi
    mov edi, [esp]                  # the right part: ESI .. old EDI
    call quicksort
    pop edi
    pop esi
9:  ret

# FNV-1a over a mebibyte, four times: byte loads and multiplications in one dependent chain.
hashing:
    mov ebp, 4
    mov eax, 0x811c9dc5
1:  mov esi, HEAP
    mov ecx, 0x100000
2:  movzx edx, byte ptr [esi]
    xor eax, edx
    imul eax, eax, 0x01000193
    inc esi
    dec ecx
    jnz 2b
    dec ebp
    jnz 1b
    PRINT "hash of 1 MiB: "
    call puthex
    PRINT "\r\n"
    ret

# Maps one window page to 512 frames in turn, each of which holds its own number.
remapping:
    mov edi, HEAP
    xor eax, eax
1:  mov [edi], eax
    add edi, 4096
    inc eax
    cmp eax, 448
    jb 1b
    call paging_on
    xor ebx, ebx
    xor ecx, ecx
2:  mov eax, ecx
    xor edx, edx
    mov esi, 448
    div esi                         # 448 frames: HEAP .. 3C0000h
    mov esi, edx
    shl edx, 12
    lea edx, [edx + HEAP + P + W]
    mov [pt1 + 5 * 4], edx
    invlpg [WINDOW + 5 * 4096]
    cmp [WINDOW + 5 * 4096], esi
    jne 3f
    inc ebx
3:  inc ecx
    cmp ecx, 512
    jb 2b
    PRINT "page tables: "
    mov eax, ebx
    call putdec
    PRINT " remappings seen\r\n"
    EXPECT ebx, 512
    ret
