#! load = "program"
# The nanobenchmarks that mean something in an ordinary Linux process: user-level loops are those of the ROM (nano.inc);
# a system call is Linux's getpid, a divide error is its signal and the return from it.
    .intel_syntax noprefix
    .arch pentium4
    .set SYS_EXIT, 1
    .set SYS_WRITE, 4
    .set SYS_GETPID, 20
    .set SYS_SIGACTION, 67
    .set SYS_CLOCK_GETTIME, 265
    .set SIGFPE, 8
    .set CONTEXT_EIP, 64            # from its return address to EIP, for a handler without SA_SIGINFO
    .set AT_SYSINFO, 32
    .include "text.inc"
    .include "nano.inc"

    .section .text
    .globl _start
_start:
    mov eax, [esp]                  # argc
    lea esi, [esp + eax * 4 + 8]    # the environment
1:  lodsd
    test eax, eax
    jnz 1b
2:  lodsd                           # then the auxiliary vector
    mov edx, [esi]
    add esi, 4
    cmp eax, AT_SYSINFO
    jne 3f
    mov [vsyscall], edx
3:  test eax, eax
    jnz 2b
    call clock_rate
    mov eax, SYS_SIGACTION
    mov ebx, SIGFPE
    mov ecx, OFFSET action
    xor edx, edx
    int 0x80
    MEASURE_USER
    MEASURE int80, int80, 1
    cmp dword ptr [vsyscall], 0
    je 4f
    MEASURE sysenter_loop, sysenter, 1
4:  MEASURE divide, divzero, 1
    mov eax, SYS_EXIT
    xor ebx, ebx
    int 0x80

# EAX: the low half of the time in ns. Good for differences of less than four seconds.
now:
    mov eax, SYS_CLOCK_GETTIME
    mov ebx, 1                      # CLOCK_MONOTONIC
    mov ecx, OFFSET time
    int 0x80
    mov eax, [time]
    imul eax, eax, 1000000000
    add eax, [time + 4]
    ret

# kHz of the time-stamp counter over 50 ms; runs of 10 ms.
clock_rate:
    call now
    mov edi, eax
    rdtsc
    mov esi, eax
1:  call now
    sub eax, edi
    cmp eax, 50000000
    jb 1b
    mov ecx, eax
    rdtsc
    sub eax, esi
    mov edx, 1000000
    mul edx
    div ecx
    PRINT "tsc-khz "
    call putdec
    PRINT "\n"
    imul eax, eax, 10
    mov [min_ticks], eax
    ret

on_divide:
    add dword ptr [esp + CONTEXT_EIP], 2
    ret

.macro SETUP_int80
.endm
.macro SETUP_sysenter_loop
.endm
.macro SETUP_divide
    mov eax, 1
    xor ecx, ecx
    xor edx, edx
.endm
.macro GETPID
    mov eax, SYS_GETPID
    int 0x80
.endm
.macro GETPID_FAST
    mov eax, SYS_GETPID
    call dword ptr [vsyscall]
.endm

# AL to standard output.
putc:
    pushad
    mov [character], al
    mov eax, SYS_WRITE
    mov ebx, 1
    mov ecx, OFFSET character
    mov edx, 1
    int 0x80
    popad
    ret
    LOOP int80, 1, GETPID
    LOOP sysenter_loop, 1, GETPID_FAST
    LOOP divide, 1, div ecx

    .section .data
    .balign 4
action: .long on_divide, 0, 0, 0
    .section .bss
    .balign 4
vsyscall: .skip 4
time: .skip 8
character: .skip 4
