#! title = "POPF and IRET: which flags change at which CPL; ID, AC, NT, RF, VM; reserved bits"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 27. SDM volume 2, POPF, IRET, PUSHF; volume 1, 3.4.3.
    .include "pm.inc"
    .include "pic.inc"

# Loads the dword by LOAD_FLAGS (from ring 0) and stores what PUSHFD shows.
.macro LOAD_FLAGS value
    pushd \value
    popfd
    pushfd
    pop ebx
    pushd 2
    popfd
.endm

main:
    call pic_init                   # IF is set now and then
    GATE 0x31, back
    LOAD_FLAGS 0
    EXPECT ebx, 2                   # bit 1 is always one
    LOAD_FLAGS (0xffc0f0ff)              # bits 3, 5, 15 and 22.. stay 0
    EXPECT ebx, 0x000070d7
    LOAD_FLAGS 0x30000
    EXPECT ebx, 2                   # VM, RF
    LOAD_FLAGS 0x240002
    EXPECT ebx, 0x240002            # AC and ID
    LOAD_FLAGS 0x180002                  # VIF, VIP are cleared by POPF at CPL 0 outside V86 mode
    EXPECT ebx, 2
    # The 16-bit forms leave the upper half.
    pushd 0x240002
    popfd
    pushw 0x7046
    popfw
    pushfd
    pop ebx
    pushd 2
    popfd
    EXPECT ebx, 0x247046
    # IRET sets what POPF cannot: RF is taken (and spent), and IOPL at CPL 0.
    pushd 0x3002
    push cs
    pushd OFFSET 1f
    iretd
1:  pushfd
    pop ebx
    EXPECT ebx, 0x3002
    pushd 2
    popfd

    # Ring 3, IOPL 0: IF and IOPL keep, the rest changes.
    jmp 2f
1:  pushd 0x247ad7
    popfd
    pushfd
    pop ebx
    pushd 2
    popfd
    int 0x30
2:  RING3 1b, 0x202
    EXPECT [exc_vector], 0x30
    EXPECT ebx, 0x244ad7
    jmp 2f                          # ... with IRET too
1:  pushd 0x2478d7
    pushd CODE3
    pushd OFFSET 3f
    iretd
3:  pushfd
    pop ebx
    pushd 2
    popfd
    int 0x30
2:  RING3 1b, 0x202
    EXPECT ebx, 0x244ad7
    # IOPL 3: IF changes.
    jmp 2f
1:  pushd 2
    popfd
    pushfd
    pop ebx
    cli
    sti
    pushfd
    pop ecx
    int 0x30
2:  RING3 1b, 0x3202
    EXPECT ebx, 0x3002
    EXPECT ecx, 0x3202
    # DF works everywhere and survives an interrupt.
    pushd 0x402
    popfd
    mov edi, OFFSET buffer + 4
    stosd
    EXPECT edi, (OFFSET buffer)
    int 0x31
    pushfd
    pop ebx
    cld
    and ebx, 0x400
    EXPECT ebx, 0x400
    ret
back:
    iretd
    .section .bss
buffer: .skip 16
