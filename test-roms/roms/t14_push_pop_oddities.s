#! title = "PUSH ESP, POP ESP, POP [ESP+n]: which ESP counts"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 14. SDM volume 2: PUSH ESP pushes the value before; POP ESP leaves the popped value; POP [ESP+n] computes its
# address after ESP has been incremented; PUSH [ESP] reads before the decrement; 16-bit pushes in a 32-bit segment.
    .include "pm.inc"

main:
    mov ebp, esp
    push esp
    pop eax
    EXPECT eax, ebp

    pushd 0x12345678
    mov ebx, esp
    push ebx
    pop esp                         # ESP = the value popped, no increment on top
    mov eax, esp
    EXPECT eax, ebx
    mov eax, [esp]
    EXPECT eax, 0x12345678
    add esp, 4

    pushd 0x11111111
    pushd 0x22222222
    pushd 0x33333333
    pop dword ptr [esp + 4]         # address: ESP after the pop
    mov eax, [esp]
    mov ecx, [esp + 4]
    EXPECT eax, 0x22222222
    EXPECT ecx, 0x33333333
    push dword ptr [esp + 4]        # address: ESP before the push
    pop eax
    EXPECT eax, 0x33333333
    add esp, 8
    mov eax, esp
    EXPECT eax, ebp

    mov ecx, 0xaaaabbbb
    push cx                         # two bytes
    mov eax, ebp
    sub eax, esp
    EXPECT eax, 2
    movzx eax, word ptr [esp]
    EXPECT eax, 0xbbbb
    pop dx
    EXPECT esp, ebp

    pushd 0                         # a segment register takes a dword slot, of which the lower half is defined
    push ds
    mov eax, ebp
    sub eax, esp
    EXPECT eax, 8
    movzx eax, word ptr [esp]
    EXPECT eax, DATA0
    pop es
    add esp, 4

    mov edx, esp                    # PUSHAD stores the ESP from before it; POPAD skips it
    pushad
    mov eax, [esp + 12]
    EXPECT eax, edx
    mov dword ptr [esp + 12], 0xdeadbeef
    popad
    mov eax, esp
    EXPECT eax, edx

    mov eax, 0x01020304             # sign extension of the short PUSH
    push -1
    pop eax
    EXPECT eax, 0xffffffff
    pushw -2
    pop ax
    EXPECT eax, 0xfffffffe

    mov ecx, esp                    # LEAVE and ENTER with nesting
    mov ebp, 0x1000
    enter 16, 0
    mov eax, ecx
    sub eax, esp
    EXPECT eax, 20
    mov eax, [ebp]
    EXPECT eax, 0x1000
    leave
    EXPECT ebp, 0x1000
    mov eax, esp
    EXPECT eax, ecx

    pushd 0x77777777                # ENTER level 2 copies one frame pointer of the caller
    lea ebp, [esp + 4]
    mov ecx, esp
    enter 8, 2
    mov eax, [ebp]
    lea edx, [ecx + 4]
    EXPECT eax, edx                 # the old EBP
    mov eax, [ebp - 4]
    EXPECT eax, 0x77777777          # [old EBP - 4]
    mov eax, [ebp - 8]
    EXPECT eax, ebp                 # the new frame pointer
    mov eax, ebp
    sub eax, esp
    EXPECT eax, 16
    leave
    add esp, 4
    ret
