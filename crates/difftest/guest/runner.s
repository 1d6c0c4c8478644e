#! title = "The runner of the differential fuzzer"
#! load = "multiboot"
# Runs batches of cases that the host puts into memory, and leaves everything that a case did in its result slot.
#
# Two address spaces: in the first (PD_RUN) the first 48 MiB are identity-mapped; in the second (PD_CASE) a case finds
# its own pages, and of the runner only what exceptions need, all supervisor and the code read-only. Any exception
# ends a case. The stubs save EAX and ESP in debug registers, because at CPL 0 nothing is known of the stack or the
# segments there. #DF is a task gate: the stack may be what is wrong. All tables (GDT, IDT, TSS, page tables) and the
# constants below are the host's: src/layout.rs holds the same numbers, and a test compares them.
    .intel_syntax noprefix
    .arch pentium4

    .set CODE0, 0x08
    .set DATA0, 0x10
    .set TSS0, 0x28
    .set TSS_DF, 0x30
    .set CODE16, 0x38
    .set DATA16, 0x40
    .set CASE_SLOTS, 0x100          # first of the eight selectors whose descriptors come with the case

    .set HIGH, 0xb7000000           # linear address of physical 200000h
    .set SAVE, 0xb7100000
    .set STACK_TOP, 0xb7102000
    .set GDT, 0xb7102000
    .set GDT_AS_MADE, GDT + 0x800   # its descriptors that no case brings along
    .set ODD_SLOTS, 0x48
    .set IDT, 0xb7103000
    .set TSS_MAIN, 0xb7104000
    .set PD_RUN, 0x310000
    .set PD_CASE, 0x311000
    .set PT_ARENA, 0x312000
    .set MAIL, 0x380000
    .set CASES, 0x400000
    .set RESULTS, 0x600000
    .set CODE_PAGES, 0x20000
    .set REAL_DATA, 0x10000
    .set CR0_DEFAULT, 0x80010033
    .set CR4_DEFAULT, 0x610
    .set CR2_BEFORE, 0x1234568

# The mailbox.
    .set M_READY, MAIL              # 1: the tables are there
    .set M_GO, MAIL + 4             # number of the batch to run
    .set M_SEEN, MAIL + 8
    .set M_END, MAIL + 12           # case to stop before
    .set M_CURRENT, MAIL + 16       # case at hand; the host sets it to the first one
    .set M_DONE, MAIL + 20          # number of the last batch done

# A case.
    .set C_KIND, 0                  # 0 skip, 1 CPL 0, 2 CPL 3 or V86, 4 real mode; bit 8: wipe both code pages
    .set C_CODE_OFFSET, 4
    .set C_CR0, 8
    .set C_CR4, 12
    .set C_PTES, 0x10
    .set C_PDES, 0x30
    .set C_LDT, 0x3c
    .set C_SLOTS, 0x40
    .set C_IN, 0x80
    .set C_CODE, 0x100
    .set C_FPU, 0x200
    .set CODE_DWORDS, 48

# The save area, which becomes the head of a result.
    .set S_VECTOR, SAVE
    .set S_EAX, SAVE + 4
    .set S_ECX, SAVE + 8
    .set S_EDX, SAVE + 12
    .set S_EBX, SAVE + 16
    .set S_ESP, SAVE + 20
    .set S_EBP, SAVE + 24
    .set S_ESI, SAVE + 28
    .set S_EDI, SAVE + 32
    .set S_ES, SAVE + 36
    .set S_SS, SAVE + 40
    .set S_DS, SAVE + 44
    .set S_FS, SAVE + 48
    .set S_GS, SAVE + 52
    .set S_CR0, SAVE + 56
    .set S_CR2, SAVE + 60
    .set S_CR4, SAVE + 64
    .set S_DR6, SAVE + 68
    .set S_LDT, SAVE + 72
    .set S_DWORDS, 32
    .set S_IN, SAVE + 0x100
    .set S_CASE, SAVE + 0x200
    .set S_RESULT, SAVE + 0x204

# The real-mode part's own variables; LOW_SAVE is laid out as SAVE.
    .set LOW_SAVE, 0x9800
    .set LOW_IN, 0x9900
    .set LOW_CR0, 0x9a00
    .set LOW_VECTORS, 0x7000        # the host's table
    .set LOW_END, 0xa000

    .section .boot, "ax"
    .code32
    .balign 4
    .long 0x1badb002
    .long 0
    .long -0x1badb002
gdt_pointer:
    .word 0x1ff
    .long GDT
idt_pointer:
    .word 0x7ff
    .long IDT
    .globl _start
_start:
    cli
    cld
1:  pause
    cmp dword ptr [M_READY], 1
    jne 1b
    lgdt [gdt_pointer]
    lidt [idt_pointer]
    mov eax, CR4_DEFAULT
    mov cr4, eax
    mov eax, PD_RUN
    mov cr3, eax
    mov eax, CR0_DEFAULT
    mov cr0, eax
    jmp CODE0:OFFSET runner

    .section .text, "ax"
    .code32
runner:
    mov eax, DATA0
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax                    # what firmware and loader left there, cases in real mode can read
    xor edi, edi
    mov ecx, LOW_VECTORS / 4
    rep stosd
    mov edi, LOW_END
    mov ecx, (REAL_DATA - LOW_END) / 4
    rep stosd
    mov esp, STACK_TOP - 0x200
    mov eax, TSS0
    ltr ax
    mov esi, GDT + ODD_SLOTS
    mov edi, GDT_AS_MADE + ODD_SLOTS
    mov ecx, (CASE_SLOTS - ODD_SLOTS) / 4
    rep movsd
    xor eax, eax
    mov dr7, eax
    mov esi, 0x208000
    mov edi, 0x8000
    mov ecx, OFFSET low_size
    rep movsb
    mov al, 0x11                    # both 8259A: vectors E0h and E8h, everything masked
    out 0x20, al
    out 0xa0, al
    mov al, 0xe0
    out 0x21, al
    mov al, 0xe8
    out 0xa1, al
    mov al, 4
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    mov al, 0x34                    # the 8254: 400 interrupts a second, to look at the mailbox
    out 0x43, al
    mov al, 0xa6
    out 0x40, al
    mov al, 0x0b
    out 0x40, al

next_batch:
    mov eax, [M_GO]
    cmp eax, [M_SEEN]
    jne 1f
    mov al, 0xfe
    out 0x21, al
    sti
    hlt
    cli
    mov al, 0xff
    out 0x21, al
    jmp next_batch
1:  mov [M_SEEN], eax
    jmp next_case

batch_done:
    mov eax, [M_SEEN]
    mov [M_DONE], eax
    out 0xf4, al                    # Ringer's host takes over here; no device on the peer
    jmp next_batch

skip_case:
    inc dword ptr [M_CURRENT]
next_case:
    mov ebx, [M_CURRENT]
    cmp ebx, [M_END]
    jae batch_done
    shl ebx, 10
    lea ebp, [ebx + RESULTS]
    add ebx, CASES
    cmp byte ptr [ebx + C_KIND], 0
    je skip_case
    mov [S_CASE], ebx
    mov [S_RESULT], ebp
    lea esi, [ebx + C_CODE]
    mov edi, [ebx + C_CODE_OFFSET]
    add edi, CODE_PAGES
    mov ecx, CODE_DWORDS
    rep movsd
    lea esi, [ebx + C_PTES]
    mov edi, PT_ARENA + 0x10 * 4
    movsd
    movsd
    movsd
    movsd
    mov edi, PT_ARENA + 0x20 * 4
    movsd
    movsd
    mov edi, PT_ARENA
    movsd
    mov edi, PT_ARENA + 0x14 * 4
    movsd
    lea esi, [ebx + C_PTES]
    mov edi, PT_ARENA + 0x3fc * 4
    movsd
    movsd
    movsd
    movsd
    lea esi, [ebx + C_PDES]
    mov edi, PD_CASE
    movsd
    mov edi, PD_CASE + 0x100 * 4
    movsd
    mov edi, PD_CASE + 0x3ff * 4
    movsd
    mov esi, GDT_AS_MADE + ODD_SLOTS    # a task switch that fails leaves busy flags
    mov edi, GDT + ODD_SLOTS
    mov ecx, (CASE_SLOTS - ODD_SLOTS) / 4
    rep movsd
    lea esi, [ebx + C_SLOTS]
    mov edi, GDT + CASE_SLOTS
    mov ecx, 16
    rep movsd
    lea esi, [ebx + C_IN]
    mov edi, S_IN
    mov ecx, 32
    rep movsd
    xor eax, eax
    mov edi, STACK_TOP - 48
    mov ecx, 12
    rep stosd
    mov dr6, eax
    mov ax, [ebx + C_LDT]
    lldt ax
    mov eax, CR2_BEFORE
    mov cr2, eax
    fxrstor [ebx + C_FPU]
    mov eax, [ebx + C_CR4]
    cmp eax, CR4_DEFAULT
    je 1f
    mov cr4, eax
1:  mov dl, [ebx + C_KIND]
    mov ecx, [ebx + C_CR0]
    cmp dl, 4
    je enter_real
    mov eax, PD_CASE
    mov cr3, eax
    cmp ecx, CR0_DEFAULT
    je 2f
    mov cr0, ecx
2:  mov esp, S_IN
    cmp dl, 1
    je enter_same
    pop gs
    pop fs
    pop es
    pop ds
    popad
    iretd
enter_same:
    pop gs
    pop fs
    pop es
    pop ds
    popad
    popfd
    lss esp, cs:[S_IN + 52]
    jmp fword ptr cs:[S_IN + 60]

enter_real:
    mov esi, [ebx + C_PTES]
    and esi, 0xfffff000
    mov edi, REAL_DATA
    mov [LOW_CR0], ecx
    mov ecx, 4096
    rep movsd
    lea esi, [ebx + C_IN]
    mov edi, LOW_IN
    mov ecx, 32
    rep movsd
    jmp CODE16:OFFSET low_enter

# 1000h: a stub of 16 bytes for each vector.
    .org 0x1000
vector_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    mov dr0, eax
    mov eax, vector
    jmp event
    .set vector, vector + 1
    .endr

# 2000h: where the gates that come back lead to: INT 30h and 31h, the timer, the call gates.
    .org 0x2000
    iretd
    .org 0x2010
    push eax
    mov al, 0x20
    out 0x20, al
    pop eax
    iretd
    .org 0x2020
    retf
    .org 0x2030
    retf 8
    .org 0x2040
    jmp double_fault                # where the TSS of #DF begins
    .org 0x2050

event:
    mov dr1, esp
    mov dr3, eax
    mov eax, ds
    mov dr2, eax
    mov eax, DATA0
    mov ds, eax
    mov [S_ECX], ecx
    mov [S_EDX], edx
    mov [S_EBX], ebx
    mov [S_EBP], ebp
    mov [S_ESI], esi
    mov [S_EDI], edi
    mov eax, es
    mov [S_ES], eax
    mov eax, ss
    mov [S_SS], eax
    mov eax, fs
    mov [S_FS], eax
    mov eax, gs
    mov [S_GS], eax
    mov eax, DATA0
    mov es, eax
    mov ss, eax
    mov esp, STACK_TOP - 0x200
    mov eax, dr0
    mov [S_EAX], eax
    mov eax, dr1
    mov [S_ESP], eax
    mov eax, dr2
    mov [S_DS], eax
    mov eax, dr3
    mov [S_VECTOR], eax
saved:
    cld
    mov eax, cr2
    mov [S_CR2], eax
    mov eax, dr6
    mov [S_DR6], eax
    sldt eax
    mov [S_LDT], eax
    mov eax, cr4
    mov [S_CR4], eax
    cmp eax, CR4_DEFAULT
    je 1f
    mov eax, CR4_DEFAULT
    mov cr4, eax
1:  mov eax, cr0
    mov [S_CR0], eax
    cmp eax, CR0_DEFAULT
    je 2f
    mov eax, CR0_DEFAULT
    mov cr0, eax
2:  mov eax, PD_RUN
    mov cr3, eax
finish:
    mov ebx, [S_CASE]
    mov ebp, [S_RESULT]
    fxsave [ebp + 0x200]
    mov esi, SAVE
    mov edi, ebp
    mov ecx, S_DWORDS
    rep movsd
    mov esi, STACK_TOP - 48
    mov ecx, 12
    rep movsd
    mov esi, PT_ARENA + 0x10 * 4
    mov ecx, 4
    rep movsd
    mov esi, PT_ARENA + 0x3fc * 4
    mov ecx, 4
    rep movsd
    mov esi, PT_ARENA + 0x20 * 4
    movsd
    movsd
    mov esi, PT_ARENA
    movsd
    mov esi, PT_ARENA + 0x14 * 4
    movsd
    mov esi, PD_CASE
    movsd
    mov esi, PD_CASE + 0x100 * 4
    movsd
    mov esi, PD_CASE + 0x3ff * 4
    movsd
    add edi, 4
    mov esi, GDT + CASE_SLOTS
    mov ecx, 16
    rep movsd
    mov esi, [ebx + C_CODE_OFFSET]
    add esi, CODE_PAGES
    mov edx, esi
    mov ecx, CODE_DWORDS
    rep movsd
    mov eax, 0xcccccccc
    mov edi, edx
    mov ecx, CODE_DWORDS
    test byte ptr [ebx + C_KIND + 1], 1
    jz 3f
    mov edi, CODE_PAGES
    mov ecx, 2048
3:  rep stosd
    mov dword ptr [ebp + 0x1fc], 1
    jmp skip_case

# The task of #DF: the old task's registers are in its TSS.
double_fault:
    clts
    mov esi, TSS_MAIN
    mov dword ptr [S_VECTOR], 8
    mov eax, [esi + 0x28]
    mov [S_EAX], eax
    mov eax, [esi + 0x2c]
    mov [S_ECX], eax
    mov eax, [esi + 0x30]
    mov [S_EDX], eax
    mov eax, [esi + 0x34]
    mov [S_EBX], eax
    mov eax, [esi + 0x38]
    mov [S_ESP], eax
    mov eax, [esi + 0x3c]
    mov [S_EBP], eax
    mov eax, [esi + 0x40]
    mov [S_ESI], eax
    mov eax, [esi + 0x44]
    mov [S_EDI], eax
    movzx eax, word ptr [esi + 0x48]
    mov [S_ES], eax
    movzx eax, word ptr [esi + 0x50]
    mov [S_SS], eax
    movzx eax, word ptr [esi + 0x54]
    mov [S_DS], eax
    movzx eax, word ptr [esi + 0x58]
    mov [S_FS], eax
    movzx eax, word ptr [esi + 0x5c]
    mov [S_GS], eax
    mov eax, [esi + 0x20]           # EIP, CS, EFLAGS as in a frame
    mov [STACK_TOP - 20], eax
    movzx eax, word ptr [esi + 0x4c]
    mov [STACK_TOP - 16], eax
    mov eax, [esi + 0x24]
    mov [STACK_TOP - 12], eax
    mov byte ptr [GDT + TSS0 + 5], 0x89
    mov byte ptr [GDT + TSS_DF + 5], 0x89
    mov eax, TSS0
    ltr ax
    mov esp, STACK_TOP - 0x200
    push 2
    popfd
    jmp saved

# Back from real mode, paging just on.
real_done:
    lgdt [real_gdt_pointer]
    lidt [real_idt_pointer]
    mov esi, LOW_SAVE
    mov edi, SAVE
    mov ecx, S_DWORDS
    rep movsd
    mov ebx, [S_CASE]
    mov edi, [ebx + C_PTES]
    and edi, 0xfffff000
    mov esi, REAL_DATA
    mov ecx, 4096
    rep movsd
    xor eax, eax                    # the rest of the segment, which cases can write too
    mov edi, REAL_DATA + 0x4000
    mov ecx, 0x3000
    rep stosd
    mov eax, 0xcccccccc             # behind the code pages, through CS
    mov edi, CODE_PAGES + 0x2000
    mov ecx, 0x3800
    rep stosd
    mov eax, CR4_DEFAULT
    mov cr4, eax
    jmp finish
real_gdt_pointer:
    .word 0x1ff
    .long GDT
real_idt_pointer:
    .word 0x7ff
    .long IDT

# The real-mode part, linked and copied to 8000h: a stub for each vector, then entry and exit.
    .section .low, "ax"
    .code16
low_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    mov dr0, eax
    .byte 0x66, 0xb8                # mov eax, imm32
    .long vector
    .byte 0xe9
    .word low_event - (. + 2)
    .set vector, vector + 1
    .endr

low_enter:
    mov ax, DATA16
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov ecx, [LOW_CR0]
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov eax, ecx
    mov cr0, eax
    .byte 0xea
    .word OFFSET low_real, 0
low_real:
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov esp, LOW_IN
    lidt [low_idt]
    .byte 0x66, 0x0f, 0xa9          # pop gs, fs, es, ds, each a doubleword
    .byte 0x66, 0x0f, 0xa1
    .byte 0x66, 0x07
    .byte 0x66, 0x1f
    .byte 0x66, 0x61                # popad
    .byte 0x66, 0x9d                # popfd
    .byte 0x2e, 0x66, 0x0f, 0xb2, 0x26
    .word LOW_IN + 52               # lss esp, cs:[...]
    .byte 0x2e, 0x66, 0xff, 0x2e
    .word LOW_IN + 60               # jmp far cs:[...]

low_event:
    mov dr1, esp
    mov dr3, eax
    xor eax, eax
    mov ax, ds
    mov dr2, eax
    xor eax, eax
    mov ds, ax
    mov [LOW_SAVE + 8], ecx
    mov [LOW_SAVE + 12], edx
    mov [LOW_SAVE + 16], ebx
    mov [LOW_SAVE + 24], ebp
    mov [LOW_SAVE + 28], esi
    mov [LOW_SAVE + 32], edi
    mov ax, es
    mov [LOW_SAVE + 36], eax
    mov ax, ss
    mov [LOW_SAVE + 40], eax
    mov ax, fs
    mov [LOW_SAVE + 48], eax
    mov ax, gs
    mov [LOW_SAVE + 52], eax
    mov eax, dr0
    mov [LOW_SAVE + 4], eax
    mov eax, dr1
    mov [LOW_SAVE + 20], eax
    mov eax, dr2
    mov [LOW_SAVE + 44], eax
    mov eax, dr3
    mov [LOW_SAVE], eax
    mov eax, cr0
    mov [LOW_SAVE + 56], eax
    mov eax, cr2
    mov [LOW_SAVE + 60], eax
    mov eax, cr4
    mov [LOW_SAVE + 64], eax
    mov eax, dr6
    mov [LOW_SAVE + 68], eax
    xor eax, eax
    mov [LOW_SAVE + 72], eax
    cld
    .byte 0x66, 0x0f, 0x01, 0x16    # lgdt, with 32 bits of base: paging is off
    .word low_gdt
    mov eax, cr0
    and al, 0xf1                    # TS, EM and MP off
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea
    .long OFFSET low_exit
    .word CODE0
    .code32
low_exit:
    mov eax, DATA0
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov eax, CR0_DEFAULT
    mov cr0, eax
    mov esp, STACK_TOP - 0x200
    push 2                          # a real-mode event leaves NT as it was
    popfd
    jmp CODE0:OFFSET real_done
low_gdt:
    .word 0x1ff
    .long GDT - HIGH + 0x200000
low_idt:
    .word 0x3ff
    .long 0x7000                    # the host's table of vectors
