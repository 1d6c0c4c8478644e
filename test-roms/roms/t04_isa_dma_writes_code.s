#! title = "The 8237A writes over an instruction of the loop that asks for it"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 4. A request by software has controller 1 copy four bytes from channel 0's memory to channel 1's (8237A data
# sheet, "Memory-to-Memory"): the immediate of an instruction a little further on in the same hot loop. After a serialising
# instruction the new one runs. QEMU's 8237A copies nothing.
    .include "pm.inc"

main:
    .ifndef QEMU
    mov al, 0
    out 0x0d, al                    # master clear
    mov al, 1
    out 0x08, al                    # memory to memory
    mov al, 0x88
    out 0x0b, al                    # channel 0: block mode, read
    mov al, 0x85
    out 0x0b, al                    # channel 1: block mode, write
    mov eax, OFFSET immediates
    shr eax, 16
    out 0x87, al                    # page of channel 0
    mov eax, OFFSET patched
    shr eax, 16
    out 0x83, al                    # page of channel 1
    mov ebp, 2000
again:
    mov ebx, ebp
    and ebx, 1
    lea esi, [immediates + ebx * 4]
    mov al, 0
    out 0x0c, al                    # clear the flip-flop
    mov eax, esi
    out 0x00, al
    mov al, ah
    out 0x00, al
    mov eax, OFFSET patched + 1
    out 0x02, al
    mov al, ah
    out 0x02, al
    mov al, 3                       # four bytes
    out 0x03, al
    mov al, 0
    out 0x03, al
    mov al, 4
    out 0x09, al                    # go
    xor eax, eax
    cpuid
    mov ebx, ebp
    and ebx, 1
patched:
    mov eax, 0x55555555
    mov edx, [immediates + ebx * 4]
    EXPECT eax, edx
    in al, 0x08
    and eax, 2                      # terminal count of channel 1
    EXPECT eax, 2
    dec ebp
    jnz again
    .endif
    ret

    .section .data
    .balign 8
immediates:
    .long 0x12345678, 0x9abcdef0
