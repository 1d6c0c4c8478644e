#! title = "Interrupt rates: PIT channel 0 against channel 2, the RTC's periodic interrupt against the PIT"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
#! timeout = 20
# Intel 8254 and Motorola MC146818 data sheets. One clock for all devices: rates are compared with each other, so that it
# does not matter whether device time is the host's or virtual. Bounds are wide (a tenth).
    .include "pm.inc"
    .include "pic.inc"

# Channel 2 (gate at port 61h bit 0) counts down 65536 at 1193182 Hz: 54.9 ms. Returns when it has.
wait_channel_2:
    push eax
    in al, 0x61
    and al, 0xfc
    out 0x61, al                    # gate low, speaker off
    mov al, 0xb0                    # channel 2, both bytes, mode 0
    out 0x43, al
    mov al, 0xff
    out 0x42, al
    out 0x42, al
    in al, 0x61
    or al, 1
    out 0x61, al
1:  in al, 0x61
    test al, 0x20                   # OUT2
    jz 1b
    pop eax
    ret

.macro BETWEEN low, high
    mov ebx, 1
    cmp eax, \low
    jb 773f
    cmp eax, \high
    ja 773f
    xor ebx, ebx
773: cmp ebx, 0
    je 774f
    EXPECT eax, \low                # shows the figure
774:
.endm

main:
    call pic_init
    GATE 0x20, pit_handler
    GATE 0x28, rtc_handler
    # 250 Hz for 54.9 ms, four times: 55 ticks.
    mov dword ptr [pit_count], 0
    UNMASK 1
    PIT0 2, 4773
    sti
    call wait_channel_2
    call wait_channel_2
    call wait_channel_2
    call wait_channel_2
    cli
    mov eax, [pit_count]
    BETWEEN 48, 62
    # 100 Hz: 22.
    PIT0 2, 11932
    mov dword ptr [pit_count], 0
    sti
    call wait_channel_2
    call wait_channel_2
    call wait_channel_2
    call wait_channel_2
    cli
    mov eax, [pit_count]
    BETWEEN 19, 26
    # Mode 0: once.
    PIT0 0, 2000
    mov dword ptr [pit_count], 0
    sti
    call wait_channel_2
    cli
    EXPECT [pit_count], 1
    # Masked: the request waits, and is one only.
    PIT0 2, 1193
    UNMASK 0
    mov dword ptr [pit_count], 0
    sti
    call wait_channel_2
    EXPECT [pit_count], 0
    UNMASK 1
    in al, 0x61                     # (the controller may take its time)
    jmp 1f
1:  nop
    cli
    mov eax, [pit_count]
    BETWEEN 1, 2
    UNMASK 0
    # The latched counter goes down.
    PIT0 2, 0
    call read_counter
    mov ebx, eax
    mov ecx, 2000
1:  in al, 0x61
    dec ecx
    jnz 1b
    call read_counter
    sub ebx, eax
    and ebx, 0xffff
    setnz al
    movzx eax, al
    EXPECT eax, 1

    # The RTC at 256 Hz for four times 54.9 ms: 56 interrupts. Register C must be read each time.
    mov al, 0x8a
    out 0x70, al
    in al, 0x71
    mov ah, al
    and ah, 0xf0
    or ah, 8
    mov al, 0x8a
    out 0x70, al
    mov al, ah
    out 0x71, al
    mov al, 0x8b
    out 0x70, al
    in al, 0x71
    or al, 0x40
    mov ah, al
    mov al, 0x8b
    out 0x70, al
    mov al, ah
    out 0x71, al
    mov al, 0x0c
    out 0x70, al
    in al, 0x71
    mov dword ptr [rtc_count], 0
    UNMASK 0x104
    sti                             # the first may be from before register C was read: not counted
1:  cmp dword ptr [rtc_count], 0
    je 1b
    mov dword ptr [rtc_count], 0
    mov dword ptr [rtc_wrong], 0
    call wait_channel_2
    call wait_channel_2
    call wait_channel_2
    call wait_channel_2
    cli
    mov eax, [rtc_count]
    BETWEEN 46, 66
    # Every one had PF and IRQF in register C, but for a request that the controller latched before
    # register C was read above.
    mov eax, [rtc_wrong]
    BETWEEN 0, 1
    ret

read_counter:
    mov al, 0
    out 0x43, al
    in al, 0x40
    mov ah, al
    in al, 0x40
    xchg al, ah
    movzx eax, ax
    ret

pit_handler:
    inc dword ptr [pit_count]
    EOI
    iretd

rtc_handler:
    push eax
    mov al, 0x0c
    out 0x70, al
    in al, 0x71
    and al, 0xc0
    cmp al, 0xc0
    je 1f
    inc dword ptr [rtc_wrong]
1:  inc dword ptr [rtc_count]
    mov al, 0x20
    out 0xa0, al
    out 0x20, al
    pop eax
    iretd

    .section .bss
    .balign 4
pit_count: .skip 4
rtc_count: .skip 4
rtc_wrong: .skip 4
