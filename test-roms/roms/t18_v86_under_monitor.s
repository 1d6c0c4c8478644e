#! title = "A V86 program at IOPL 0 under a monitor: hot loops, emulated CLI, STI, PUSHF, POPF, INT, IRET, HLT, remapped pages"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 18. SDM volume 3A, 20.2 and 20.3. What a DOS box does: each sensitive instruction comes to the monitor as #GP with CS:IP at
# its first byte, everything else runs by itself, in pages that the monitor gives and takes.
    .include "pm.inc"
    .include "paging.inc"
    .set BASE, 0x10000
    .set ROUNDS, 60
    .ifdef QEMU
    .set RMW, 0                     # (QEMU loads first and reports a read)
    .else
    .set RMW, 2
    .endif

main:
    call paging_on
    GATE 13, monitor
    GATE 14, page_fault
    cld
    mov esi, OFFSET program
    mov edi, BASE
    mov ecx, OFFSET program_end
    sub ecx, esi
    rep movsb
    mov ecx, 256
1:  mov [0x20000 + ecx - 1], cl
    loop 1b
    mov dword ptr [0x21 * 4], 0x10000000 + (service - program)
    # Segment 3000h is `page_a`.
    mov dword ptr [pt0 + 0x30 * 4], OFFSET page_a + P + W + U
    FLUSH
    call run
    EXPECT [gp_count], ROUNDS*7+1
    EXPECT [page_a + 0x10], ROUNDS
    EXPECT [page_a + 0x14], ROUNDS*5            # what the service added up from DL
    EXPECT [v86_ebx], (32640 + 256) & 0xffff
    EXPECT [v86_edx], 0                         # PUSHF between CLI and STI: IF clear
    EXPECT [v86_esi], 0x0202                    # and after it: set
    EXPECT [pf_count], 0
    # The same program with another page, by INVLPG.
    mov dword ptr [pt0 + 0x30 * 4], OFFSET page_b + P + W + U
    invlpg [0x30000]
    call run
    EXPECT [page_a + 0x10], ROUNDS
    EXPECT [page_b + 0x10], ROUNDS
    EXPECT [v86_ebx], (32640 + 256) & 0xffff
    # The page absent: #PF with U, in V86 mode, once; the handler gives it and the program goes on.
    mov dword ptr [pt0 + 0x30 * 4], 0
    invlpg [0x30000]
    call run
    EXPECT [pf_count], 1
    EXPECT [pf_error], 4+RMW
    EXPECT [pf_address], 0x30010
    EXPECT [page_b + 0x10], ROUNDS*2
    # A supervisor's page: #PF 7.
    mov dword ptr [pt0 + 0x30 * 4], OFFSET page_b + P + W
    invlpg [0x30000]
    call run
    EXPECT [pf_count], 2
    EXPECT [pf_error], 5+RMW
    EXPECT [page_b + 0x10], ROUNDS*3
    # The program's text changed by the monitor while it is hot: ADD BX, AX becomes SUB.
    mov byte ptr [BASE + (patched - program)], 0x29
    call run
    EXPECT [v86_ebx], (0x10000 - 32640 + 256) & 0xffff
    ret

run:
    mov [saved_esp], esp
    mov dword ptr [gp_count], 0
    mov dword ptr [virtual_if], 0x200
    pushd 0                         # GS, FS, DS, ES
    pushd 0
    pushd 0x2000
    pushd 0x3000
    pushd 0x2800
    pushd 0x1000
    pushd 0x20002
    pushd 0x1000
    pushd 0
    iretd

# #GP from V86 mode. The frame above the registers: error, EIP, CS, EFLAGS, ESP, SS.
monitor:
    pushad
    mov ebp, esp
    mov eax, DATA0
    mov ds, eax
    mov es, eax
    inc dword ptr [gp_count]
    movzx ecx, word ptr [ebp + 40]
    shl ecx, 4
    add ecx, [ebp + 36]
    mov al, [ecx]
    inc word ptr [ebp + 36]
    cmp al, 0xfa
    je m_cli
    cmp al, 0xfb
    je m_sti
    cmp al, 0x9c
    je m_pushf
    cmp al, 0x9d
    je m_popf
    cmp al, 0xcd
    je m_int
    cmp al, 0xcf
    je m_iret
    cmp al, 0xf4
    je m_hlt
    FAIL
m_cli:
    mov dword ptr [virtual_if], 0
    jmp m_out
m_sti:
    mov dword ptr [virtual_if], 0x200
    jmp m_out
m_pushf:
    call flags_image
    call push_word
    jmp m_out
m_popf:
    call pop_word
    call load_flags
    jmp m_out
m_int:
    movzx edi, byte ptr [ecx + 1]
    inc word ptr [ebp + 36]
    call flags_image
    call push_word
    mov eax, [ebp + 40]
    call push_word
    mov eax, [ebp + 36]
    call push_word
    movzx eax, word ptr [edi * 4]
    mov [ebp + 36], eax
    movzx eax, word ptr [edi * 4 + 2]
    mov [ebp + 40], eax
    mov dword ptr [virtual_if], 0
    jmp m_out
m_iret:
    call pop_word
    mov [ebp + 36], eax
    call pop_word
    mov [ebp + 40], eax
    call pop_word
    call load_flags
m_out:
    popad
    add esp, 4
    iretd
m_hlt:
    mov eax, [ebp + 16]
    mov [v86_ebx], eax
    mov eax, [ebp + 20]
    and eax, 0x200
    mov [v86_edx], eax
    mov eax, [ebp + 4]
    and eax, 0x202
    mov [v86_esi], eax
    mov esp, [saved_esp]
    ret

flags_image:
    mov eax, [ebp + 44]
    and eax, 0xcff
    or eax, [virtual_if]
    ret
load_flags:
    mov edx, eax
    and edx, 0x200
    mov [virtual_if], edx
    and eax, 0xcff
    and dword ptr [ebp + 44], ~0xcff
    or [ebp + 44], eax
    ret
push_word:
    sub word ptr [ebp + 48], 2
    call stack_word
    mov [edx], ax
    ret
pop_word:
    call stack_word
    movzx eax, word ptr [edx]
    add word ptr [ebp + 48], 2
    ret
stack_word:
    movzx edx, word ptr [ebp + 52]
    shl edx, 4
    movzx ebx, word ptr [ebp + 48]
    add edx, ebx
    ret

page_fault:
    pushad
    mov eax, DATA0
    mov ds, eax
    inc dword ptr [pf_count]
    mov eax, [esp + 32]
    mov [pf_error], eax
    mov eax, cr2
    mov [pf_address], eax
    mov eax, [esp + 44]
    and eax, 0x20000                # it came from V86 mode
    EXPECT eax, 0x20000
    mov dword ptr [pt0 + 0x30 * 4], OFFSET page_b + P + W + U
    invlpg [0x30000]
    popad
    add esp, 4
    iretd

    .code16
program:
    mov cx, ROUNDS
v_round:
    push cx
    xor si, si
    xor bx, bx
    mov cx, 256
v_sum:
    lodsb
    xor ah, ah
patched:
    add bx, ax
    loop v_sum
    add bx, si
    cli
    pushf
    pop dx
    sti
    push dx
    pushf
    pop bp
    push bp
    popf
    mov dl, 5
    int 0x21
    pop dx
    mov si, bp
    pop cx
    loop v_round
    hlt
service:
    push ax
    inc dword ptr es:[0x10]
    xor dh, dh
    add es:[0x14], dx
    pop ax
    iret
program_end:
    .code32

    .section .bss
    .balign 4096
page_a: .skip 4096
page_b: .skip 4096
saved_esp: .skip 4
virtual_if: .skip 4
gp_count: .skip 4
pf_count: .skip 4
pf_error: .skip 4
pf_address: .skip 4
v86_ebx: .skip 4
v86_edx: .skip 4
v86_esi: .skip 4
