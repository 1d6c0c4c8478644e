# A loop asks a virtio disk for a sector, four bytes of which come to be the immediate of an instruction of that loop; and it
# runs, as code, the ring in which the disk gives requests back (VIRTIO 1.2, 2.7.8). An element there is four zeros, which are
# two additions of AL to [EAX], and the bytes that the disk has written: 513 is `add [edx], eax` and once more the first.
# Sectors 0 and 1 begin with `patterns`.
    .include "pm.inc"

    .set RING, 4                    # entries of the ring
    .set LOOPS, 2000

# Reads register \reg of the function 10.0 into EAX.
.macro CONFIG reg
    mov eax, 0x80008000 + \reg
    mov dx, 0xcf8
    out dx, eax
    mov dx, 0xcfc
    in eax, dx
.endm

main:
    CONFIG 0
    EXPECT eax, 0x10011af4
    CONFIG 0x20
    and eax, 0xfffffff0
    mov edi, eax                    # the registers
    mov byte ptr [edi + 0x14], 0
    mov byte ptr [edi + 0x14], 3
    mov dword ptr [edi + 8], 1      # VERSION_1, and nothing else
    mov dword ptr [edi + 12], 1
    mov byte ptr [edi + 0x14], 11
    mov word ptr [edi + 0x16], 0
    mov word ptr [edi + 0x18], RING
    mov dword ptr [edi + 0x20], OFFSET descriptors
    mov dword ptr [edi + 0x28], OFFSET available
    mov dword ptr [edi + 0x30], OFFSET used
    mov word ptr [edi + 0x1c], 1
    mov byte ptr [edi + 0x14], 15
    mov ebp, LOOPS
again:
    mov eax, ebp                    # of three requests two read, one is of no kind that there is
    xor edx, edx
    mov ecx, 3
    div ecx
    xor eax, eax
    test edx, edx
    jnz 1f
    mov eax, 77
1:  mov [head], eax
    mov ecx, ebp
    and ecx, 1
    mov [head + 8], ecx             # sector
    test eax, eax
    jnz 2f
    mov eax, [patterns + ecx * 4]
    mov [wanted], eax
2:  mov ax, [available + 2]         # offered: descriptor 0
    mov ebx, eax
    and ebx, RING - 1
    mov word ptr [available + 4 + ebx * 2], 0
    inc ax
    mov [available + 2], ax
    xor ecx, ecx
    cmp dword ptr [head], 0
    jne 3f
    mov ecx, 513
3:  mov [written + ebx * 4], ecx
    mov word ptr [edi + 0x3000], 0  # go
    xor eax, eax
    cpuid
    mov bx, [used + 2]
    cmp bx, [available + 2]
    jne failed
patched:
    mov eax, 0x55555555
    EXPECT eax, [wanted]
    mov ecx, 0                      # how many of the four elements say 513
    mov ebx, RING
4:  cmp dword ptr [written + ebx * 4 - 4], 513
    jne 5f
    inc ecx
5:  dec ebx
    jnz 4b
    mov eax, OFFSET scratch
    mov edx, OFFSET sum
    mov dword ptr [sum], 0
    call used_code
    imul ecx, ecx, OFFSET scratch
    EXPECT [sum], ecx
    cmp byte ptr [edi + 0x1000], 1  # the interrupt status, which this clears
    jne failed
    dec ebp
    jnz again
    ret
failed:
    EXPECT 1, 0
    ret

    .section .data
    .balign 16
descriptors:
    .long head, 0
    .long 16
    .word 1, 1
    .long patched + 1, 0
    .long 4
    .word 3, 2
    .long rest, 0
    .long 508
    .word 3, 3
    .long status, 0
    .long 1
    .word 2, 0
    .balign 4
available:
    .zero 6 + 2 * RING
    .balign 4
used:
    .zero 4
used_code:
    .zero 8 * RING
    ret
    .balign 8
patterns:
    .long 0x12345678, 0x9abcdef0
head:
    .zero 16
wanted:
    .long 0x55555555
written:
    .zero 4 * RING
sum:
    .long 0
scratch:
    .long 0
status:
    .byte 0
    .balign 16
rest:
    .zero 512
