#! title = "The timer's channel 2 behind the speaker: gate, data bit, and what port 61h shows of it"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# Intel 8254 (231164), mode 3; port 61h: bit 0 is channel 2's GATE, bit 1 lets it through to the speaker, bit 5 shows its OUT.
# 440 Hz for a quarter of a second; crates/cli/tests/speaker.rs listens.
    .include "pm.inc"

    .set COUNT, 1193182 / 440
    .set HALVES, 440 / 2                # changes of OUT in a quarter of a second

main:
    mov al, 0xb6                        # channel 2, both bytes, mode 3
    out 0x43, al
    mov al, COUNT & 0xff
    out 0x42, al
    mov al, COUNT >> 8
    out 0x42, al
    in al, 0x61
    and eax, 0x23
    EXPECT eax, 0x20                    # no gate: OUT rests high
    mov al, 3
    out 0x61, al
    xor ecx, ecx                        # changes seen
    mov bl, 0x20
1:  in al, 0x61
    and al, 0x20
    cmp al, bl
    je 1b
    mov bl, al
    inc ecx
    cmp ecx, HALVES
    jb 1b
    mov al, 0                           # off; OUT rests high again
    out 0x61, al
    in al, 0x61
    and eax, 0x23
    EXPECT eax, 0x20
    ret
