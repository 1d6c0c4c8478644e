# A guest for the debugger's tests: a Multiboot kernel with paging, a timer interrupt, functions and variables
# with names. It counts to ROUNDS, and ends through port F4h with what it has added up.

        .set MAGIC, 0x1badb002
        .set ROUNDS, 50
        .set WORDS, 64

        .section .text
        .balign 4
        .long MAGIC, 0, -MAGIC

        .globl _start
_start:
        movl $stack_top, %esp
        call tables_on
        call paging_on
        call timer_on
        sti
        movl $ROUNDS, %ebx
next_round:
        call fill
        call add_up
        decl %ebx
        jnz next_round
        cli
finish:
        movl total, %eax
        outl %eax, $0xf4
        hlt

# Writes the number of the round into all of the table.
        .globl fill
        .type fill, @function
fill:
        cld
        movl $table, %edi
        movl %ebx, %eax
        movl $WORDS, %ecx
        rep stosl
        ret
        .size fill, . - fill

# Adds the table up, 1000 times, and counts the rounds.
        .globl add_up
        .type add_up, @function
add_up:
        movl $1000, %edx
1:      movl $WORDS, %ecx
        xorl %eax, %eax
2:      addl table - 4(, %ecx, 4), %eax
        loop 2b
        decl %edx
        jnz 1b
        addl %eax, total
        incl counter
        ret
        .size add_up, . - add_up

# A GDT of its own, and an IDT with the timer's gate.
tables_on:
        lgdt gdt_register
        ljmp $8, $1f
1:      movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $on_timer, %eax
        movw %ax, idt + 0x20 * 8
        movw $8, idt + 0x20 * 8 + 2
        movw $0x8e00, idt + 0x20 * 8 + 4
        shrl $16, %eax
        movw %ax, idt + 0x20 * 8 + 6
        lidt idt_register
        ret

# The first 4 MiB as they are, by a page table.
paging_on:
        movl $page_table, %edi
        movl $3, %eax
        movl $1024, %ecx
1:      stosl
        addl $0x1000, %eax
        loop 1b
        movl $page_table + 3, page_directory
        movl $page_directory, %eax
        movl %eax, %cr3
        movl %cr0, %eax
        orl $0x80010000, %eax
        movl %eax, %cr0
        ret

# An interrupt each millisecond.
timer_on:
        movb $0x11, %al
        outb %al, $0x20
        movb $0x20, %al
        outb %al, $0x21
        movb $0x04, %al
        outb %al, $0x21
        movb $0x01, %al
        outb %al, $0x21
        movb $0xfe, %al
        outb %al, $0x21
        movb $0x34, %al
        outb %al, $0x43
        movb $0xa9, %al
        outb %al, $0x40
        movb $0x04, %al
        outb %al, $0x40
        ret

        .globl on_timer
        .type on_timer, @function
on_timer:
        pushl %eax
        incl ticks
        movb $0x20, %al
        outb %al, $0x20
        popl %eax
        iret
        .size on_timer, . - on_timer

        .section .data
        .balign 8
gdt:    .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_register:
        .word 23
        .long gdt
idt_register:
        .word 0x21 * 8 - 1
        .long idt

        .macro variable name
        .globl \name
        .type \name, @object
        .size \name, 4
\name:  .long 0
        .endm
        variable counter
        variable total
        variable ticks

        .section .bss
        .balign 4096
page_directory: .skip 4096
page_table:     .skip 4096
        .globl table
table:          .skip WORDS * 4
idt:            .skip 0x21 * 8
        .balign 16
                .skip 4096
stack_top:
