#! load = "multiboot"
# Random entries of page tables, accesses, fetches and flushes, for ever; the seed is at SEED. What an access meets behind a
# changed entry is the processor's own until the flush, so nothing is checked here: the engines are held against each other.
# Page tables lie in memory, in themselves, in code, in devices and nowhere.
    .include "pm.inc"
    .include "paging.inc"
    .set SEED, 0x500

# EAX: the next random number.
rnd:
    pushfd
    push edx
    mov eax, [seed]
    mov edx, eax
    shl edx, 13
    xor eax, edx
    mov edx, eax
    shr edx, 17
    xor eax, edx
    mov edx, eax
    shl edx, 5
    xor eax, edx
    mov [seed], eax
    pop edx
    popfd
    ret
# random page directory entries (not the first), random tables, accesses, code fetches, flushes
main:
    imul eax, [SEED], 2654435
    inc eax
    mov [seed], eax
    call paging_on
    mov eax, cr4
    test byte ptr [seed], 2         # with large pages, in half of the runs
    jz 1f
    or eax, 0x10
    mov cr4, eax
1:
    mov dword ptr [exc_resume], OFFSET again
    mov [exc_resume_esp], esp
again:
    mov dword ptr [exc_resume], OFFSET again
    mov dword ptr [exc_resume_esp], OFFSET stack0_top
    mov esp, OFFSET stack0_top
    cld
    call rnd
    mov ebx, eax
    and eax, 15
    jmp [tab+eax*4]
o0: call rnd
    mov ecx, eax
    and ecx, 1023
    jz again
    call rnd
    test eax, 0x300
    jz 1f
    and eax, 0x03ffffff      # mostly in RAM
1:  or eax, 1
    mov [page_dir+ecx*4], eax
    jmp again
o1: call rnd
    mov ecx, eax
    and ecx, 1023
    jz again
    mov eax, OFFSET page_dir+7   # recursive
    mov [page_dir+ecx*4], eax
    jmp again
o2: call rnd
    mov ecx, eax
    and ecx, 1023
    jz again
    mov eax, OFFSET pt1+7
    mov [page_dir+ecx*4], eax
    call rnd
    mov edx, eax
    and edx, 1023
    call rnd
    cmp edx, 0
    je again
    mov [pt1+edx*4], eax
    shl ecx, 22
    shl edx, 12
    lea ebx, [ecx+edx]
    jmp o4
o3: FLUSH
    jmp again
o4: cmp ebx, 0x400000
    jb again
    mov eax, [ebx]
    jmp again
o5: cmp ebx, 0x400000
    jb again
    # A write, of what is there.
    mov eax, [ebx]
    mov [ebx], eax
    jmp again
o6: cmp ebx, 0x400000
    jb again
    xchg ebx, ebx
    mov eax, ss:[ebx]
    jmp again
o7: cmp ebx, 0x400000
    jb again
    mov ecx, 2000
    mov esi, ebx
    rep lodsd
    jmp again
o8: invlpg [ebx]
    jmp again
o9: # fetch
    cmp ebx, 0x400000
    jb again
    mov byte ptr [0x3ff000], 0xcc
    mov eax, ebx
    shr eax, 22
    jz again
    mov edx, [page_dir+eax*4]
    mov dword ptr [page_dir+eax*4], OFFSET pt1+7
    mov ecx, ebx
    shr ecx, 12
    and ecx, 1023
    mov dword ptr [pt1+ecx*4], 0x3ff007
    and ebx, 0xfffff000
    jmp ebx
oa: cmp ebx, 0x400000
    jb again
    or ebx, 0xffd
    mov eax, [ebx]
    xor edx, edx
    lock xadd [ebx], edx
    jmp again
ob: mov dword ptr [page_dir+0x3fc*4], 0xa0007
    mov dword ptr [page_dir+0x3fd*4], 0xf0000007
    mov dword ptr [page_dir+0x3fe*4], 0xffff0007
    mov dword ptr [page_dir+0x3ff*4], 0xfffff007
    mov eax, [0xff000000+ebx]
    mov eax, [0xff400000]
    jmp again
oc: or ebx, 0xff000000
    mov eax, [ebx]
    mov [ebx], eax
    jmp again
od: mov eax, cr0
    xor eax, 0x10000
    mov cr0, eax
    jmp again
oe: cmp ebx, 0x400000
    jb again
    movaps xmm0, [ebx]
    fld tbyte ptr [ebx+8]
    jmp again
of: cmp ebx, 0x400000
    jb again
    bt [ebx], ecx
    jmp again
    .section .data
    .balign 4
seed: .long 0
tab: .long o0,o1,o2,o3,o4,o5,o6,o7,o8,o9,oa,ob,oc,od,oe,of
