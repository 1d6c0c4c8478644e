#! title = "Port I/O: sizes, INS and OUTS, IOPL, the I/O bitmap to its last byte"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 21. SDM volume 1, 19.5 (protection and I/O); volume 3A, 7.2.1 (the bitmap's limit and its final byte of ones).
    .include "pm.inc"

.macro ALLOWED port, size=al
    mov edx, \port
    OK3 in \size, dx
.endm
.macro REFUSED port, size=al
    mov edx, \port
    FAULTS3 13, 0, in \size, dx
.endm

# The TSS with a limit of `limit`, loaded afresh.
.macro LOAD_TSS limit
    DESC TSS0, tss, \limit, 0x89, 0
    mov eax, TSS0
    ltr ax
.endm

main:
    mov al, 0x5a
    out 0xff - 0x7f, al             # POST port 80h takes anything
    mov dx, COM1 + 7                # the UART's scratch register
    mov al, 0xc3
    out dx, al
    xor eax, eax
    in al, dx
    EXPECT eax, 0xc3
    mov esi, OFFSET bytes
    mov ecx, 3
    rep outsb                       # the last byte stays
    in al, dx
    EXPECT eax, 0x33
    mov edi, OFFSET read_back
    mov ecx, 4
    rep insb
    EXPECT [read_back], 0x33333333
    EXPECT edi, (OFFSET read_back+4)
    EXPECT ecx, 0
    mov edx, 0xe124                 # nobody there: ones
    xor eax, eax
    in al, dx
    EXPECT eax, 0xff
    xor eax, eax
    in ax, dx
    EXPECT eax, 0xffff

    # At CPL 3 with IOPL 3 all ports are open.
    jmp 2f
1:  mov edx, COM1 + 7
    in al, dx
    int 0x30
2:  RING3 1b, 0x3002
    EXPECT [exc_vector], 0x30
    # With IOPL 0 and no bitmap none is.
    REFUSED 0x3ff
    REFUSED 0
    FAULTS3 13, 0, out 0x80, al
    FAULTS3 13, 0, in al, 0x61
    FAULTS3 13, 0, insb
    FAULTS3 13, 0, outsb
    mov ecx, 2
    FAULTS3 13, 0, rep outsb
    EXPECT ecx, 2

    # The whole bitmap, all closed, then some opened.
    mov edi, OFFSET io_bitmap
    mov ecx, 8193
    mov al, 0xff
    rep stosb
    LOAD_TSS (104+8192)
    REFUSED 0x3ff
    and byte ptr [io_bitmap + 0x3ff / 8], 0x7f
    ALLOWED 0x3ff
    REFUSED 0x3fe
    # Two and four bytes at ports where nobody is, over a byte of the bitmap.
    and byte ptr [io_bitmap + 0xe10f / 8], 0x7f
    ALLOWED 0xe10f
    REFUSED 0xe10f, ax              # E110h is closed
    and byte ptr [io_bitmap + 0xe110 / 8], 0xfe
    ALLOWED 0xe10f, ax
    REFUSED 0xe10f, eax
    and byte ptr [io_bitmap + 0xe110 / 8], 0xf8
    ALLOWED 0xe10f, eax
    REFUSED 0xe110, eax
    and byte ptr [io_bitmap + 0x61 / 8], 0xfd
    OK3 in al, 0x61
    # The last port; a word there would need port 10000h, whose bit is in the final byte.
    and byte ptr [io_bitmap + 8191], 0x7f
    ALLOWED 0xffff
    REFUSED 0xffff, ax

    # A limit that cuts the bitmap: what it does not hold is closed. Two bytes are read for each check.
    LOAD_TSS (104+0x80)             # up to port 407h
    ALLOWED 0x3ff
    REFUSED 0xffff
    LOAD_TSS (104+0x7f)             # the byte for 3F8h.. is the last: its successor is missing
    REFUSED 0x3ff
    LOAD_TSS (104+0x7e)
    REFUSED 0x3ff
    # A base beyond the limit: no bitmap.
    mov word ptr [tss + 102], 0xffff
    LOAD_TSS (104+8192)
    REFUSED 0x61
    mov word ptr [tss + 102], 104
    OK3 in al, 0x61
    # INS and OUTS with the port open: memory faults are reported as such.
    jmp 2f
1:  mov edx, 0x3ff
    mov edi, OFFSET read_back
    insb
    mov esi, OFFSET bytes
    outsb
    in al, dx
    int 0x30
2:  mov dword ptr [read_back], 0
    RING3 1b
    EXPECT [exc_vector], 0x30
    EXPECT [read_back], 0x33
    movzx eax, al
    EXPECT eax, 0x11
    # Changes of the bitmap hold at once.
    or byte ptr [io_bitmap + 0x3ff / 8], 0x80
    REFUSED 0x3ff
    ret

    .section .data
bytes: .byte 0x11, 0x22, 0x33, 0x44
    .section .bss
    .balign 4
read_back: .skip 8
