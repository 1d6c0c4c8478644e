#! title = "Implicit operands: the stack's and ES:EDI go to the guest's memory, at addresses that the host uses too"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md, table B, implicit operands, which no segment prefix moves. The page is at 400000h (where programs of the host
# like to lie), and at 1000h, at the top of the address space; a frame of its own shows that the bytes came there.
    .include "pm.inc"
    .include "paging.inc"

.macro AT address
    mov ebp, \address
    call all_of_them
.endm

main:
    call paging_on
    mov dword ptr [page_dir + 1022 * 4], OFFSET pt1 + P + W + U
    MAP 0, frame, P+W+U
    MAP 1023, frame, P+W+U
    mov dword ptr [pt0 + 4], OFFSET frame + P + W + U
    FLUSH
    mov dword ptr [rounds], 40
1:  AT 0x400000
    AT 0x1000
    AT 0xff800000
    AT 0xffbff000
    dec dword ptr [rounds]
    jnz 1b
    ret

# EBP: a linear address of `frame`.
all_of_them:
    mov edi, OFFSET frame           # (known content)
    mov ecx, 64
    mov eax, 0xeeeeeeee
    rep stosd
    mov [saved_esp], esp
    lea esp, [ebp + 64]
    push 0x11111111                 # +60
    pushw 0x2222                    # +58
    pushw 0x3333                    # +56
    pushfd                          # +52
    pop dword ptr [flags_seen]
    call 1f                         # +52
1:  mov [came_from], esp
    pop [returned]
    push [flags_seen]               # memory operand: two implicit accesses
    push ds                         # +48
    pop es
    enter 8, 0                      # +48: EBP; ESP at +40
    mov ebx, ebp
    mov edx, esp
    leave
    mov ecx, esp
    mov esp, [saved_esp]
    sub edx, ebp
    sub ebx, ebp
    sub ecx, ebp
    EXPECT edx, 40
    EXPECT ebx, 48
    EXPECT ecx, 52
    EXPECT [frame + 60], 0x11111111
    EXPECT [frame + 56], 0x22223333
    EXPECT [frame + 48], ebp
    EXPECT [frame + 64], 0xeeeeeeee
    EXPECT [frame + 36], 0xeeeeeeee
    EXPECT [returned], (OFFSET 1b)
    mov eax, [came_from]
    sub eax, ebp
    EXPECT eax, 52
    lea esp, [ebp + 128]
    mov eax, 0x44444444
    pushad                          # +96 .. +128
    mov dword ptr [frame + 96], 0x55555555
    popad
    mov esp, [saved_esp]
    EXPECT [frame + 124], 0x44444444
    EXPECT edi, 0x55555555
    # ES:EDI.
    lea edi, [ebp + 128]
    mov eax, 0x66666666
    stosd
    mov dword ptr [source], 0x77777777
    mov esi, OFFSET source
    movsd
    EXPECT [frame + 128], 0x66666666
    EXPECT [frame + 132], 0x77777777
    lea edi, [ebp + 128]
    mov ecx, 2
    repe scasd
    setne al
    movzx eax, al
    EXPECT eax, 1
    EXPECT ecx, 0
    lea edi, [ebp + 132]
    mov esi, OFFSET source
    cmpsd
    sete al
    movzx eax, al
    EXPECT eax, 1
    mov dx, 0x3ff                   # the serial port's scratch register
    mov al, 0x88
    out dx, al
    insb                            # EDI at +136
    movzx eax, byte ptr [frame + 136]
    EXPECT eax, 0x88
    movzx eax, byte ptr [frame + 137]
    EXPECT eax, 0xee
    # DS:ESI and XLAT.
    lea esi, [ebp + 132]
    lodsd
    EXPECT eax, 0x77777777
    lea ebx, [ebp + 100]
    mov al, 28
    xlat
    movzx eax, al
    EXPECT eax, 0x66
    ret

    .section .bss
    .balign 4096
frame: .skip 4096
saved_esp: .skip 4
flags_seen: .skip 4
came_from: .skip 4
returned: .skip 4
source: .skip 4
rounds: .skip 4
