# The way from the loader to C: a Multiboot header, a stack, and the end by debug exit.
    .section .multiboot, "a"
    .balign 4
    .long 0x1badb002, 0, -0x1badb002

    .text
    .globl _start
_start:
    mov $stack_top, %esp
    push %ebx
    call kernel
    out %al, $0xf4
1:  hlt
    jmp 1b

    .bss
    .balign 16
    .skip 16384
stack_top:
    .section .note.GNU-stack, "", @progbits
