# A kernel of one page: sums up a table again and again, and counts what it does.
# With APART its counters have a page of their own.
.code32
.section .text
.globl _start
.align 4
        .long 0x1badb002, 0, -0x1badb002
_start:
        mov $stack_top, %esp
        mov $100000, %esi
main_loop:
        call checksum
        call count_call
        dec %esi
        jnz main_loop
        xor %eax, %eax
        out %al, $0xf4
        hlt

.globl checksum
.type checksum, @function
checksum:
        mov $table, %ebx
        mov $16, %ecx
        xor %eax, %eax
next:   rol $1, %eax
        add (%ebx), %eax
        add $4, %ebx
        dec %ecx
        jnz next
        ret

.globl count_call
.type count_call, @function
count_call:
        incl calls
        adcl $0, calls_high
        ret

.ifdef APART
.align 4096
.endif
.globl calls
calls:      .long 0
calls_high: .long 0

.bss
.align 4096
table:  .space 4096
        .space 4096
stack_top:
