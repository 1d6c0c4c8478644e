;! title = "NASM: a boot sector prints by the BIOS"
;! load = "bootsector"
;! serial = "hello from sector 0\r\n"
;! requires = ["nasm"]
;! tags = ["bios"]
    bits 16
    org 7c00h

    xor ax, ax
    mov ds, ax
    mov si, text
    cld
.next:
    lodsb
    test al, al
    jz .end
    mov ah, 0eh                     ; teletype output; the BIOS sends it to the serial port
    xor bx, bx
    int 10h
    jmp .next
.end:
    out 0f4h, al                    ; debug exit: AL is 0, the test passed

text: db "hello from sector 0", 13, 10, 0
    times 510 - ($ - $$) db 0
    dw 0aa55h
