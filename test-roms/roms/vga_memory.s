#! title = "The display adapter's memory: text, planes, mode 13h, a frame buffer that moves, and code in it"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# Each loop runs often enough to be translated; each change of a mode or a place comes while code that writes there is hot.
    .include "pm.inc"
    .include "vga.inc"
    .section .text

    .set TEXT, 0xb8000
    .set WIN, 0xa0000

main:
    mov esi, OFFSET vga_mode_3
    call vga_mode
    call text
    call planes
    call mode_13
    call frame_buffer
    PCI_SET 4, 0
    mov esi, OFFSET vga_mode_3
    call vga_mode
    ret

# Text: bytes, words, strings, and the font behind them.
text:
    mov edi, TEXT
    mov ecx, 2000
    mov eax, 0x07200720
1:  mov [edi], ax
    add edi, 2
    loop 1b
    mov edi, TEXT
    mov eax, 0x1f421e41
    mov ecx, 1000
    rep stosd
    mov esi, TEXT
    mov edi, TEXT + 4000
    mov ecx, 1000
    rep movsd
    EXPECT [TEXT + 7996], 0x1f421e41
    mov ecx, 50
2:  mov [TEXT + 8], ecx
    call font_access
    mov [WIN + 32 * 65], cl         # the letter A's first line, plane 2
    movzx eax, byte ptr [WIN + 32 * 65]
    movzx edx, cl
    EXPECT eax, edx
    call text_access
    EXPECT [TEXT + 8], ecx
    EXPECT [TEXT + 12], 0x1f421e41
    dec ecx
    jnz 2b
    ret

font_access:
    VGA_SET SEQ, 2, 4
    VGA_SET SEQ, 4, 7
    VGA_SET GFX, 4, 2
    VGA_SET GFX, 5, 0
    VGA_SET GFX, 6, 4
    ret
text_access:
    VGA_SET SEQ, 2, 3
    VGA_SET SEQ, 4, 2
    VGA_SET GFX, 4, 0
    VGA_SET GFX, 5, 0x10
    VGA_SET GFX, 6, 0x0e
    ret

# Planes: each write mode in a loop, each plane read back.
planes:
    mov esi, OFFSET vga_mode_12
    call vga_mode
    mov ebx, 60
1:  VGA_SET GFX, 5, 2               # mode 2: a colour
    VGA_SET GFX, 8, 0xf0
    mov byte ptr [WIN], 0
    movzx eax, byte ptr [WIN]       # latches
    mov byte ptr [WIN], 0x05
    VGA_SET GFX, 8, 0xff
    VGA_SET GFX, 5, 0
    VGA_SET GFX, 4, 0
    movzx eax, byte ptr [WIN]
    and eax, 0xf0
    EXPECT eax, 0xf0
    VGA_SET GFX, 4, 1
    movzx eax, byte ptr [WIN]
    and eax, 0xf0
    EXPECT eax, 0
    VGA_SET SEQ, 2, 8               # mode 0 in plane 3, as doublewords by a string
    mov edi, WIN + 16
    lea eax, [ebx + 0x12345600]
    mov ecx, 4
    rep stosd
    VGA_SET SEQ, 2, 0x0f
    VGA_SET GFX, 4, 3
    lea eax, [ebx + 0x12345600]
    EXPECT [WIN + 28], eax
    VGA_SET GFX, 5, 1               # mode 1: all planes at once
    mov esi, WIN + 16
    mov edi, WIN + 256
    mov ecx, 16
    rep movsb
    VGA_SET GFX, 5, 0
    EXPECT [WIN + 268], eax
    VGA_SET GFX, 3, 0x18            # exclusive or with the latches
    mov al, [WIN + 268]
    mov byte ptr [WIN + 268], 0xff
    not al
    movzx eax, al
    movzx edx, byte ptr [WIN + 268]
    EXPECT eax, edx
    VGA_SET GFX, 3, 0
    dec ebx
    jnz 1b
    ret

# Mode 13h: memory, strings, code that is made there and rewritten, and a mode that changes while a loop writes.
mode_13:
    mov esi, OFFSET vga_mode_13
    call vga_mode
    mov ebx, 20
1:  mov edi, WIN
    mov eax, ebx
    mov ecx, 16000
    rep stosd
    mov edx, WIN
2:  add eax, [edx]
    add edx, 320
    cmp edx, WIN + 64000
    jb 2b
    imul ecx, ebx, 201
    EXPECT eax, ecx
    dec ebx
    jnz 1b

    mov byte ptr [WIN + 0x1000], 0xb8 # MOV EAX, imm32; RET
    mov byte ptr [WIN + 0x1005], 0xc3
    mov ebx, 40
3:  mov [WIN + 0x1001], ebx
    mov edx, WIN + 0x1000
    mov ecx, 8
4:  call edx
    EXPECT eax, ebx
    dec ecx
    jnz 4b
    dec ebx
    jnz 3b

    # The same code through planes: every fourth byte of each is elsewhere now. Then as before. (QEMU runs what it
    # translated before.)
    .ifndef QEMU
    mov ebx, 10
5:  mov dword ptr [WIN + 0x1001], 0x13572468
    mov edx, WIN + 0x1000
    call edx
    EXPECT eax, 0x13572468
    VGA_SET SEQ, 4, 6
    VGA_SET SEQ, 2, 1
    mov byte ptr [WIN + 0x401], 0x99 # plane 0 of doubleword 401h: byte 1004h
    VGA_SET SEQ, 2, 0x0f
    VGA_SET SEQ, 4, 0x0e
    mov edx, WIN + 0x1000
    call edx
    EXPECT eax, 0x99572468
    dec ebx
    jnz 5b
    .endif

    # A loop writes byte after byte; half-way the planes come apart, in it.
    mov edi, WIN
    mov ecx, 0x4000
    xor eax, eax
    rep stosd
    mov edi, WIN
    mov ecx, 256
6:  mov byte ptr [edi], 0x77
    inc edi
    cmp ecx, 129
    jne 7f
    VGA_SET SEQ, 4, 6
    VGA_SET SEQ, 2, 2
7:  loop 6b
    VGA_SET SEQ, 2, 0x0f
    VGA_SET SEQ, 4, 0x0e
    EXPECT [WIN], 0x77777777
    EXPECT [WIN + 124], 0x77777777
    EXPECT [WIN + 128], 0           # not written in this mode
    EXPECT [WIN + 512], 0x00007700  # doubleword 80h, plane 1
    EXPECT [WIN + 1020], 0x00007700
    EXPECT [WIN + 1024], 0
    ret

# The frame buffer: where the base address register says, and code in it.
frame_buffer:
    PCI_SET 0x10, FRAME
    PCI_SET 4, 2
    DISPI 4, 0
    DISPI 1, 640
    DISPI 2, 480
    DISPI 3, 32
    DISPI 4, 0x41
    EXPECT [FRAME + 0x100], 0       # a new mode is clear
    mov edi, FRAME
    mov eax, 0x00123456
    mov ecx, 640 * 480
    rep stosd
    EXPECT [FRAME + 640 * 480 * 4 - 4], 0x00123456
    mov byte ptr [FRAME + 0x200000], 0xb8
    mov byte ptr [FRAME + 0x200005], 0xc3
    mov ebx, 12
1:  mov dword ptr [FRAME + 0x200001], ebx
    mov edx, FRAME + 0x200000
    mov ecx, 8
2:  call edx
    EXPECT eax, ebx
    dec ecx
    jnz 2b
    # To another place and back; nobody is where it was.
    .set OTHER, 0xd0000000
    PCI_SET 0x10, OTHER
    .ifndef QEMU                    # where nobody answers it reads 0
    EXPECT [FRAME + 0x200000], 0xffffffff
    .endif
    lea eax, [ebx + 0x100]
    mov [OTHER + 0x200001], eax
    mov edx, OTHER + 0x200000
    mov ecx, 8
3:  call edx
    lea esi, [ebx + 0x100]
    EXPECT eax, esi
    dec ecx
    jnz 3b
    EXPECT [OTHER], 0x00123456
    PCI_SET 4, 0
    .ifndef QEMU
    EXPECT [OTHER], 0xffffffff
    .endif
    PCI_SET 0x10, FRAME
    PCI_SET 4, 2
    mov edx, FRAME + 0x200000
    call edx
    lea esi, [ebx + 0x100]
    EXPECT eax, esi
    dec ebx
    jnz 1b

    # The window at A0000h shows banks of the same memory.
    DISPI 4, 0
    DISPI 4, 0x81
    mov ebx, 30
4:  DISPI 5, 0x20
    lea eax, [ebx + 0x777000]
    mov [WIN + 1], eax
    DISPI 5, 0x21
    mov dword ptr [WIN + 1], 0x11111111
    EXPECT [FRAME + 0x200001], eax
    mov dword ptr [FRAME + 0x200001], ebx
    DISPI 5, 0x20
    EXPECT [WIN + 1], ebx
    EXPECT [FRAME + 0x200001], ebx
    EXPECT [FRAME + 0x210001], 0x11111111
    dec ebx
    jnz 4b
    DISPI 4, 0
    ret
