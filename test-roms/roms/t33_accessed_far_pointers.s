#! title = "A far pointer across pages of which the first faults: the second was not accessed"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 33. The offset is read before the selector behind it, by the interpreter and by translated code alike: in V86
# mode, where loads of segments and far transfers are translated.
    .include "pm.inc"
    .include "paging.inc"
    .set V86_BASE, 0x10000          # code at 1000:0
    .set DATA, 0x2000               # the pointer at 2000:1FFE
    .set FIRST, pt0 + 0x21 * 4
    .set SECOND, pt0 + 0x22 * 4

# FAR name: over and over, so that it is translated, too.
.macro FAR name
    mov dword ptr [rounds], 8
1:  mov dword ptr [FIRST], 0x21000 + P + W
    mov dword ptr [SECOND], 0x22000 + P + W + U
    FLUSH
    mov esi, OFFSET \name
    mov edi, V86_BASE
    mov ecx, 16
    cmp dword ptr [rounds], 8
    jne 2f
    rep movsb
2:  mov ebx, 0x1ffe
    ARM 779f
    pushd DATA                      # GS, FS, DS, ES, SS
    pushd DATA
    pushd DATA
    pushd DATA
    pushd DATA
    pushd 0x1ffe
    pushd 0x23002
    pushd 0x1000
    pushd 0
    iretd
779: DISARM
    EXPECT [exc_vector], 14
    EXPECT [exc_error], 5
    EXPECT [exc_cr2], 0x21ffe
    EXPECT [exc_eip], 0
    mov eax, [SECOND]
    and eax, A
    EXPECT eax, 0
    dec dword ptr [rounds]
    jnz 1b
.endm

main:
    call paging_on
    FAR v_les
    FAR v_lds
    FAR v_lss
    FAR v_lfs
    FAR v_jump
    FAR v_call
    FAR v_return
    ret

    .balign 16
    .code16
v_les: les di, [bx]
    .balign 16
v_lds: lds di, [bx]
    .balign 16
v_lss: lss edi, [bx]
    .balign 16
v_lfs: lfs di, [bx]
    .balign 16
v_jump: .byte 0xff, 0x2f            # JMP FAR [BX]
    .balign 16
v_call: .byte 0xff, 0x1f            # CALL FAR [BX]
    .balign 16
v_return: retf
    .balign 16
    .code32

    .section .bss
    .balign 4
rounds: .skip 4
