/* kwork NAME COUNT: work that is mostly the kernel's, COUNT times. Prints a number that is the same everywhere. */
#include "sys.h"

#define PAGE 4096u
#define SIGUSR1 10

static char **environment;
static char *self;

/* The kernel's entry in the vDSO (AT_SYSINFO), by which a C library makes its system calls: SYSENTER where there is one. */
static u32 vdso_entry;

static u32 getpid_int80(u32 count)
{
    u32 i, first = (u32)syscall3(SYS_GETPID, 0, 0, 0), same = 0;
    for (i = 0; i < count; i++)
        same += (u32)syscall3(SYS_GETPID, 0, 0, 0) == first;
    return same;
}

static u32 getpid_vdso(u32 count)
{
    u32 i, result, first = (u32)syscall3(SYS_GETPID, 0, 0, 0), same = 0;
    for (i = 0; i < count; i++) {
        __asm__ volatile("call *%1" : "=a"(result) : "m"(vdso_entry), "a"(SYS_GETPID) : "memory");
        same += result == first;
    }
    return same;
}

static u32 fork_wait(u32 count)
{
    u32 i, sum = 0;
    for (i = 0; i < count; i++) {
        int status = 0, child = syscall3(SYS_FORK, 0, 0, 0);
        if (child == 0)
            leave((int)(i & 63));
        syscall4(SYS_WAIT4, (u32)child, (u32)&status, 0, 0);
        sum += (u32)(status >> 8) & 0xff;
    }
    return sum;
}

static u32 fork_exec(u32 count)
{
    char *arguments[] = {self, 0};
    u32 i, sum = 0;
    for (i = 0; i < count; i++) {
        int status = 0, child = syscall3(SYS_FORK, 0, 0, 0);
        if (child == 0) {
            syscall3(SYS_EXECVE, self, arguments, environment);
            leave(126);
        }
        syscall4(SYS_WAIT4, (u32)child, (u32)&status, 0, 0);
        sum += (u32)(status >> 8) & 0xff;
    }
    return sum;
}

static u32 pipe_ping_pong(u32 count)
{
    int there[2], back[2], child, status;
    u32 i, sum = 0;
    u8 byte = 0;
    syscall3(SYS_PIPE, there, 0, 0);
    syscall3(SYS_PIPE, back, 0, 0);
    child = syscall3(SYS_FORK, 0, 0, 0);
    if (child == 0) {
        for (i = 0; i < count; i++) {
            syscall3(SYS_READ, there[0], &byte, 1);
            byte++;
            syscall3(SYS_WRITE, back[1], &byte, 1);
        }
        leave(0);
    }
    for (i = 0; i < count; i++) {
        syscall3(SYS_WRITE, there[1], &byte, 1);
        syscall3(SYS_READ, back[0], &byte, 1);
        sum += byte;
    }
    syscall4(SYS_WAIT4, (u32)child, (u32)&status, 0, 0);
    return sum;
}

/* mmap2(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); the sixth argument goes in EBP. */
static u8 *map(u32 bytes)
{
    u8 *result;
    __asm__ volatile("pushl %%ebp\n\txorl %%ebp, %%ebp\n\tint $0x80\n\tpopl %%ebp"
                     : "=a"(result)
                     : "a"(SYS_MMAP2), "b"(0), "c"(bytes), "d"(3), "S"(0x22), "D"(-1)
                     : "memory");
    return result;
}

/* A fresh mapping of `pages` pages, one write to each. */
static u32 touch(u32 count, u32 pages)
{
    u32 i, page, sum = 0;
    for (i = 0; i < count; i++) {
        u8 *area = map(pages * PAGE);
        for (page = 0; page < pages; page++) {
            sum += area[page * PAGE];
            area[page * PAGE] = 1;
        }
        sum += area[17 * PAGE];
        syscall3(SYS_MUNMAP, area, pages * PAGE, 0);
    }
    return sum;
}

static u32 page_faults(u32 count)
{
    return touch(count, 1024);
}

static u32 page_faults_256(u32 count)
{
    return touch(count, 256);
}

static u32 map_unmap(u32 count)
{
    u32 i, sum = 0;
    for (i = 0; i < count; i++) {
        u8 *area = map(4 * PAGE);
        area[0] = (u8)i;
        sum += area[0];
        sum += (u32)syscall3(SYS_MUNMAP, area, 4 * PAGE, 0);
    }
    return sum;
}

static volatile u32 taken;

static void handler(int signal)
{
    taken += (u32)signal;
}

/* A signal sent to oneself, its handler, and the return from it. */
static u32 signals(u32 count)
{
    struct { void (*handler)(int); u32 flags; u32 restorer; u32 mask[2]; } action = {handler, 0, 0, {0, 0}};
    u32 i, me = (u32)syscall3(SYS_GETPID, 0, 0, 0);
    syscall4(SYS_RT_SIGACTION, SIGUSR1, (u32)&action, 0, 8);
    for (i = 0; i < count; i++)
        syscall3(SYS_KILL, me, SIGUSR1, 0);
    return taken;
}

/* So many MiB of lines of 32 bytes, in no order. */
static u32 lines(u32 count)
{
    static char buffer[1 << 16];
    u64 state = 0x72696e6765722132ull;
    u32 i, done, digit, word = 0, left = count * 16;
    for (; left; left--) {
        char *at = buffer;
        for (i = 0; i < sizeof buffer / 32; i++) {
            for (digit = 0; digit < 31; digit++) {
                if (digit % 8 == 0) {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    word = (u32)(state >> 20);
                }
                *at++ = "0123456789abcdef"[word >> (digit % 8 * 4) & 15];
            }
            *at++ = '\n';
        }
        for (done = 0; done < sizeof buffer;) {
            int written = syscall3(SYS_WRITE, 1, buffer + done, sizeof buffer - done);
            if (written <= 0)
                leave(4);
            done += (u32)written;
        }
    }
    return count;
}

static const struct { const char *name; u32 (*work)(u32); } works[] = {
    {"getpid", getpid_vdso}, {"getpid-int80", getpid_int80}, {"fork-wait", fork_wait}, {"fork-exec", fork_exec},
    {"pipe", pipe_ping_pong}, {"page-faults", page_faults},
    {"page-faults-256", page_faults_256},
    {"lines", lines}, {"mmap", map_unmap}, {"signals", signals},
};

static int program(int count, char **arguments)
{
    u32 i, times = 0, *auxiliary;
    const char *digit;
    environment = arguments + count + 1;
    self = arguments[0];
    if (count == 1) /* what fork-exec starts */
        return 5;
    if (count != 3)
        return 2;
    auxiliary = (u32 *)environment;
    while (*auxiliary++)
        ;
    for (; auxiliary[0]; auxiliary += 2)
        if (auxiliary[0] == 32)
            vdso_entry = auxiliary[1];
    for (digit = arguments[2]; *digit; digit++)
        times = times * 10 + (u32)(*digit - '0');
    for (i = 0; i < sizeof works / sizeof *works; i++)
        if (equal(arguments[1], works[i].name)) {
            u32 result = works[i].work(times);
            if (works[i].work != lines) /* that are its output */
                print_number(result);
            return 0;
        }
    return 3;
}
