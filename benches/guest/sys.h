/* What the bench's guest programs share: system calls without a C library (a plain gcc -m32 builds them, and the same static
 * file runs on the host and in the guests), a few string functions, and output. */
#ifndef RINGER_BENCH_SYS_H
#define RINGER_BENCH_SYS_H

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

enum {
    SYS_EXIT = 1, SYS_FORK = 2, SYS_READ = 3, SYS_WRITE = 4, SYS_OPEN = 5, SYS_CLOSE = 6, SYS_EXECVE = 11, SYS_GETPID = 20,
    SYS_KILL = 37, SYS_PIPE = 42, SYS_DUP2 = 63, SYS_MUNMAP = 91, SYS_WAIT4 = 114, SYS_RT_SIGACTION = 174, SYS_MMAP2 = 192,
    SYS_CLOCK_GETTIME = 265,
};

struct timespec32 {
    int seconds, nanoseconds;
};

static inline int syscall4(int number, u32 a, u32 b, u32 c, u32 d)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}

#define syscall3(number, a, b, c) syscall4(number, (u32)(a), (u32)(b), (u32)(c), 0)

static inline __attribute__((noreturn)) void leave(int status)
{
    for (;;)
        syscall3(SYS_EXIT, status, 0, 0);
}

/* gcc may call these two for plain C. */
__attribute__((used)) void *memset(void *to, int value, u32 count)
{
    u8 *bytes = to;
    while (count--)
        *bytes++ = (u8)value;
    return to;
}

__attribute__((used)) void *memcpy(void *to, const void *from, u32 count)
{
    u8 *bytes = to;
    const u8 *source = from;
    while (count--)
        *bytes++ = *source++;
    return to;
}

static inline int equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* Microseconds of CLOCK_MONOTONIC, modulo 2^32 (71 minutes). */
static inline u32 now(void)
{
    struct timespec32 time;
    syscall3(SYS_CLOCK_GETTIME, 1, &time, 0);
    return (u32)time.seconds * 1000000u + (u32)time.nanoseconds / 1000u;
}

static inline char *put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

static inline char *put_number(char *at, u32 value)
{
    char digits[10];
    int count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

static inline void print_number(u32 value)
{
    char line[16], *at = put_number(line, value);
    *at++ = '\n';
    syscall3(SYS_WRITE, 1, line, at - line);
}

/* The program: `arguments` ends in a null pointer, after which the environment begins. Returns the exit status. */
static int program(int count, char **arguments);

__attribute__((used)) static void begin(u32 *stack)
{
    leave(program((int)stack[0], (char **)(stack + 1)));
}

/* The kernel enters with the argument count at the stack's top; a function wants 16 bytes' alignment. */
__asm__(".globl _start\n_start:\n\txorl %ebp, %ebp\n\tmovl %esp, %eax\n\tandl $-16, %esp\n\tsubl $12, %esp\n\tpushl %eax\n"
        "\tcall begin\n\tud2\n");

#endif
