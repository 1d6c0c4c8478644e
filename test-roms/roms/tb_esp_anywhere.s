#! title = "ESP points anywhere while faults, traps and interrupts of the host arrive: nothing is written there"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md, table B, guest ESP in the host's. The loop does what makes a translator's host take a signal (first touches of
# pages, writes to code, ports) with ESP on a guarded page, on an absent one, in the adapters' hole, at both ends.
    .include "pm.inc"
    .include "paging.inc"

# WITH_ESP value: the loop with that ESP.
.macro WITH_ESP value
    mov dword ptr [want_esp], \value
    call with_esp
.endm

main:
    call paging_on
    mov eax, 0x5a5a5a5a             # the guard
    mov edi, OFFSET guard
    mov ecx, 2048
    rep stosd
    mov dword ptr [rounds], 30
1:  WITH_ESP (OFFSET guard+4096)
    WITH_ESP (OFFSET guard+4093)
    WITH_ESP (WINDOW+0x3ff000)
    WITH_ESP 0xa0010
    WITH_ESP 0
    WITH_ESP -1
    WITH_ESP (OFFSET touch_code+64)
    dec dword ptr [rounds]
    jnz 1b
    mov esi, OFFSET guard
    mov ecx, 2048
2:  lodsd
    EXPECT eax, 0x5a5a5a5a
    dec ecx
    jnz 2b
    ret

with_esp:
    mov [saved_esp], esp
    mov ecx, 16                     # pages never seen since the flush: each the first touch
    mov eax, OFFSET frame + P + W + U
    mov edi, OFFSET pt1
    rep stosd
    FLUSH
    mov esp, [want_esp]
    mov ecx, 16
    mov edi, WINDOW
    mov ebx, 0
1:  mov [edi], ecx
    add ebx, [edi]
    add edi, 4096
    dec ecx
    jnz 1b
    mov ecx, 8                      # code written and run
2:  mov [touch_code + 1], ecx
    jmp touch_code
touched:
    add ebx, eax
    in al, 0x61
    dec ecx
    jnz 2b
    mov eax, esp
    mov esp, [saved_esp]
    EXPECT eax, [want_esp]
    EXPECT ebx, 136+36
    ret

    .balign 4096
touch_code:
    mov eax, 0
    jmp touched
    .balign 4096

    .section .bss
    .balign 4096
frame: .skip 4096
guard: .skip 8192
saved_esp: .skip 4
want_esp: .skip 4
rounds: .skip 4
