#! title = "Interrupt masks written over and over: kept, and a request that the new mask lets through interrupts at once"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
#! clock = "real"
#! timeout = 30
# In real time: in virtual time each OUT has its price, and no stub does it. 8259A data sheet, OCW1 and ICW1 to ICW4. A
# translator that takes a write of the mask for a store must know when it is more: in the middle of an initialisation, and
# when a request waits.
    .include "pm.inc"
    .include "pic.inc"

main:
    GATE 0x20, timer_at_20
    GATE 0x40, timer_at_40
    call pic_init

    # All masks, both controllers; flags and the rest of EAX stay.
    xor ebx, ebx
1:  mov eax, 0x12345600
    mov al, bl
    cmp bl, 0x80
    pushfd
    out 0x21, al
    pushfd
    pop ecx
    pop edx
    EXPECT ecx, edx
    not al
    out 0xa1, al
    mov ecx, eax
    in al, 0x21
    movzx edx, al
    EXPECT edx, ebx
    in al, 0xa1
    xor al, bl
    EXPECT eax, 0x123456ff
    xor cl, bl
    EXPECT ecx, 0x123456ff
    inc bl
    jnz 1b
    mov al, 0xff
    out 0xa1, al

    # The timer's request waits behind the mask, is let through, and waits again, interrupts on all the time.
    mov ebp, 40
3:  call start
4:  mov al, 0xff                    # it still waits: masks that cover it
    out 0x21, al
    mov al, 0xf1
    out 0x21, al
    mov al, 0x0a                    # read IRR
    out 0x20, al
    in al, 0x20
    test al, 1
    jz 4b
    EXPECT [hits], 0
    sti
    mov ecx, 50
5:  mov al, 0xff
    out 0x21, al
    mov al, 0xfd
    out 0x21, al
    loop 5b
    EXPECT [hits], 0
    mov al, 0xfe
    out 0x21, al
    .ifdef QEMU                     # it comes some instructions later there
    mov ecx, 100000
9:  cmp dword ptr [hits], 0
    loope 9b
    .endif
    mov edx, [hits]                 # it came before this
    cli
    EXPECT edx, 1
    EXPECT [vector], 0x20
    in al, 0x21
    movzx edx, al
    EXPECT edx, 0xff                # what the handler left
    dec ebp
    jnz 3b

    # Initialised to other vectors each time: the same OUT is a mask, a vector, and a wiring.
    mov ebp, 40
6:  mov ebx, 0x40
    test ebp, 1
    jz 7f
    mov ebx, 0x20
7:  mov al, 0x11
    out 0x20, al
    mov esi, OFFSET words
    mov [words], bl
    mov ecx, 4
8:  lodsb
    out 0x21, al
    loop 8b
    in al, 0x21
    movzx edx, al
    EXPECT edx, 0xfe
    call start
    sti
9:  cmp dword ptr [hits], 0
    je 9b
    cli
    EXPECT [vector], ebx
    dec ebp
    jnz 6b
    ret

# One shot of the timer, soon.
start:
    mov dword ptr [hits], 0
    PIT0 0, 200
    ret

    .balign 16
timer_at_20:
    mov dword ptr [vector], 0x20
    jmp timer
timer_at_40:
    mov dword ptr [vector], 0x40
timer:
    push eax
    inc dword ptr [hits]
    mov al, 0xff
    out 0x21, al
    EOI
    pop eax
    iretd

    .section .data
words:
    .byte 0x20, 4, 1, 0xfe
    .section .bss
    .balign 4
hits: .skip 4
vector: .skip 4
