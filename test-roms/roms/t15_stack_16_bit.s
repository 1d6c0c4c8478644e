#! title = "16-bit stack segments: only SP changes; 16-bit code; a CS base that is not page-aligned"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 15, 7, 43. SDM volume 3A, 3.4.5 (D/B flag); volume 1, 6.2.3.
    .include "pm.inc"
    .set STACK16, SPARE
    .set CODE16, SPARE + 8
    .set ODD_CODE, SPARE + 0x10
    .set ODD_DATA, SPARE + 0x18

main:
    DESC STACK16, small_stack, 0xffff, 0x93, 0
    DESC CODE16, 0x100000, 0xffff, 0x9b, 0
    DESC ODD_CODE, (main-0x123), 0xfffff, 0x9b, 0xc0
    DESC ODD_DATA, (small_stack+3), 0xfffff, 0x93, 0xc0
    mov ebp, esp
    mov eax, STACK16
    mov ss, eax
    mov esp, 0xabcd0100
    push 0x11223344
    mov eax, esp
    pop ebx
    mov ecx, esp
    push ax
    mov edx, esp
    add sp, 2
    mov esi, [small_stack + 0xfc]
    mov edi, DATA0
    mov ss, edi
    mov esp, ebp
    EXPECT eax, 0xabcd00fc
    EXPECT ebx, 0x11223344
    EXPECT ecx, 0xabcd0100
    EXPECT edx, 0xabcd00fe
    EXPECT esi, 0x00fc3344          # the word push went over the upper half

    # SP wraps from 0 to FFFEh, and the upper half stays.
    mov eax, STACK16
    mov ss, eax
    mov esp, 0x77770000
    pushw 0x5555
    mov eax, esp
    popw cx
    mov ebx, esp
    mov edi, DATA0
    mov ss, edi
    mov esp, ebp
    EXPECT eax, 0x7777fffe
    EXPECT ebx, 0x77770000
    movzx eax, word ptr [small_stack + 0xfffe]
    EXPECT eax, 0x5555

    # CALL, RET, ENTER, LEAVE, PUSHA on it; LEAVE takes SP from BP.
    mov eax, STACK16
    mov ss, eax
    mov esp, 0x12340200
    call 1f
1:  pop eax
    mov ebx, esp
    push ebp
    mov ebp, 0xffff0300
    enter 8, 0
    mov ecx, ebp
    mov edx, esp
    leave
    mov esi, esp
    pop edi
    mov [kept], edi
    mov [kept + 4], ebp
    mov ebp, edi
    pushad
    mov edi, esp
    add sp, 32
    mov eax, DATA0
    mov ss, eax
    mov esp, ebp
    EXPECT ebx, 0x12340200
    EXPECT edx, 0x123401f0
    EXPECT esi, 0x123401fc
    EXPECT edi, 0x123401e0
    EXPECT [kept + 4], 0xffff0300

    # 16-bit code: 16-bit operands and addresses by default, IP wraps within its segment's 64 KiB.
    mov eax, 0x66660000
    mov ecx, 0x10005
    jmp CODE16:(code16-0x100000)
back32:
    EXPECT eax, 0x66660003
    EXPECT ebx, 0xffff2222
    EXPECT ecx, 0x10000
    EXPECT edx, 0x88889999

    # A code segment whose base is odd: code, CALL, RET and self-modification in it.
    call ODD_CODE:(odd-main+0x123)
    EXPECT eax, 0x4242
    EXPECT ebx, (odd-main+0x123)
    call ODD_CODE:(odd-main+0x123)
    EXPECT eax, 0x4242
    # A data segment of odd base.
    mov eax, ODD_DATA
    mov fs, eax
    mov dword ptr fs:[5], 0xfeedf00d
    EXPECT [small_stack + 8], 0xfeedf00d
    mov eax, fs:[5]
    EXPECT eax, 0xfeedf00d
    mov esi, 5
    lods dword ptr fs:[esi]
    EXPECT eax, 0xfeedf00d
    inc dword ptr fs:[5]
    EXPECT [small_stack + 8], 0xfeedf00e
    mov ebx, 1
    EXPECT "dword ptr fs:[ebx + ebx * 4]", 0xfeedf00e
    # Base plus offset wraps at 4 GiB.
    mov edi, OFFSET small_stack
    sub edi, OFFSET small_stack + 3
    add edi, 8                      # = 5
    mov ebx, OFFSET small_stack
    neg ebx
    mov eax, fs:[ebx - 3]           # address 0
    mov ecx, [0]
    EXPECT eax, ecx
    ret

odd:
    call 1f
1:  pop ebx
    sub ebx, 5
    mov eax, 0
    mov dword ptr [2f + 1], 0x4242
2:  mov eax, 0
    mov byte ptr [2b + 1], 0
    call 3f
    retf
3:  ret

    .code16
code16:
    inc ax
    inc ax
    mov bx, 0x2222
    or ebx, 0xffff0000
    mov edx, 0x88889999
1:  loop 1b                         # CX, not ECX
    add ax, 1
    .byte 0x66, 0xea                # JMP CODE0:back32
    .long back32
    .word CODE0
    .code32

    .section .bss
    .balign 16
small_stack: .skip 0x10010
kept: .skip 8
