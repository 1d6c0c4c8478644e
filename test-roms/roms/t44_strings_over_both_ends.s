#! title = "String instructions and long operands over both ends of the 4 GiB, either way, in hot code"
#! load = "multiboot"
#! serial = "PASS\r\n"
#! debug-exit = 0
# docs/traps.md 44 and 43. SDM volume 1, 3.3.5: addresses wrap. What the registers come to depends on what memory holds; it
# is summed up over forty rounds for whoever compares engines (lockstep).
    .include "pm.inc"

main:
    mov edi, 0x400000
    xor ecx, ecx
2:  mov eax, ecx
    and eax, 15
    shl eax, 22
    or eax, 0xe7
    stosd
    inc ecx
    cmp ecx, 1024
    jb 2b
    mov eax, cr4
    or eax, 0x610
    mov cr4, eax
    mov eax, 0x400000
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    mov ebp, 40
3:  std
    mov eax, ebp
    .macro S insn:vararg
    mov edi, 0x23
    mov esi, 0x41
    mov ecx, 64
    \insn
    add [0x500000], edi
    add [0x500004], esi
    add [0x500008], ecx
    .endm
    .macro T insn:vararg
    mov edi, 0xffffffd5
    mov esi, 0xffffff91
    mov ecx, 64
    \insn
    add [0x500000], edi
    add [0x500004], esi
    add [0x500008], ecx
    .endm
    S rep stosd
    S rep stosb
    S rep stosw
    S rep movsd
    S rep movsb
    S rep movsw
    S rep lodsd
    S repe cmpsb
    S repne scasb
    S repe cmpsd
    S stosd
    S movsd
    cld
    T rep stosd
    T rep stosb
    T rep stosw
    T rep movsd
    T rep movsb
    T rep movsw
    T rep lodsd
    T repe cmpsb
    T repne scasb
    T repe cmpsd
    T stosd
    T movsd
    fxsave [0xfffffff0]
    movups xmm0, [0xfffffffb]
    movups [0xfffffff7], xmm0
    fld1
    fstp tbyte ptr [0xfffffffa]
    fnstenv [0xfffffff3]
    cmpxchg8b [0xfffffffd]
    lock bts dword ptr [0xfffffffe], ebp
    mov ebx, 0x7fffffff
    bts [0xf0000000], ebx
    mov ebx, -0x7fffffff
    btc [0x1000], ebx
    dec ebp
    jnz 3b
    cld
    EXPECT ebp, 0
    ret
