/* The C program of the lockstep corpus: floating point on both units, signals, threads, memory maps, jumps that are not
 * local, processes, segments of its own. Each part checks itself where it can and prints lines that are the same on any
 * machine that is an x86.
 *
 * One static i386 executable without a C library, so that a machine with a plain gcc builds it and the same file runs on
 * the host and in the guest: corpus [rounds].
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum {
    SYS_EXIT = 1, SYS_FORK = 2, SYS_READ = 3, SYS_WRITE = 4, SYS_WAITPID = 7, SYS_GETPID = 20, SYS_KILL = 37, SYS_PIPE = 42,
    SYS_MUNMAP = 91, SYS_SETITIMER = 104, SYS_CLONE = 120, SYS_MODIFY_LDT = 123, SYS_MPROTECT = 125, SYS_YIELD = 158,
    SYS_MREMAP = 163, SYS_SIGRETURN = 173, SYS_SIGACTION = 174, SYS_SIGPROCMASK = 175, SYS_SIGALTSTACK = 186,
    SYS_MMAP = 192, SYS_GETTID = 224, SYS_FUTEX = 240, SYS_SET_THREAD_AREA = 243, SYS_EXIT_GROUP = 252, SYS_TGKILL = 270
};

static int syscall6(int number, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
    int result;
    __asm__ volatile("push %%ebp\n\tmov %7, %%ebp\n\tint $0x80\n\tpop %%ebp"
                     : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), "g"(f) : "memory");
    return result;
}

static int syscall4(int number, u32 a, u32 b, u32 c, u32 d)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}

/* gcc may call these for plain C. */
void *memset(void *to, int value, u32 count)
{
    u8 *p = to;
    while (count--)
        *p++ = (u8)value;
    return to;
}

void *memcpy(void *to, const void *from, u32 count)
{
    u8 *p = to;
    const u8 *q = from;
    while (count--)
        *p++ = *q++;
    return to;
}

static char line[512];
static u32 used;

static void put_char(char c)
{
    if (used < sizeof line)
        line[used++] = c;
    if (c == '\n') {
        syscall4(SYS_WRITE, 1, (u32)line, used, 0);
        used = 0;
    }
}

static void put(const char *text)
{
    while (*text)
        put_char(*text++);
}

static void put_number(u32 value)
{
    char text[10];
    int n = 0;
    do
        text[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n--)
        put_char(text[n]);
}

static void report(const char *name, u32 value)
{
    put("c/");
    put(name);
    put_char(' ');
    put_number(value);
    put_char('\n');
}

static void verdict(const char *name, int good)
{
    put("c/");
    put(name);
    put(good ? " ok\n" : " WRONG\n");
}

static u32 hash;

static void mix(const void *data, u32 count)
{
    const u8 *p = data;
    while (count--)
        hash = (hash ^ *p++) * 16777619u;
}

static u32 seed = 12345;

static u32 random32(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

/* ---- x87 ---- */

static void mix_extended(long double value)
{
    union { long double value; u8 bytes[12]; } u = { .value = value };
    mix(u.bytes, 10);
}

static void set_x87(u16 control)
{
    __asm__ volatile("fldcw %0" : : "m"(control));
}

static void x87(u32 rounds)
{
    static const u16 controls[] = { 0x37f, 0x77f, 0xb7f, 0xf7f, 0x27f, 0x07f };
    hash = 2166136261u;
    for (u32 k = 0; k < 6; k++) {
        set_x87(controls[k]);
        long double sum = 0, x = 1.0L / 3;
        for (u32 n = 1; n <= rounds * 200; n++) {
            long double root, rest, whole;
            u16 status;
            x = x * 1.0000001L + 1.0L / n;
            __asm__("fsqrt" : "=t"(root) : "0"(x));
            __asm__("frndint" : "=t"(whole) : "0"(x * 16));
            __asm__("1: fprem1\n\tfnstsw %1\n\ttestb $4, %%ah\n\tjnz 1b" : "=t"(rest), "=a"(status) : "0"(x * 1e5L), "u"(root) : "cc");
            sum += root - rest * 1e-6L + whole / (n + 1);
            if (n % 16 == 0) {
                int integer;
                long long wide;
                u8 decimal[10];
                __asm__("fistl %0" : "=m"(integer) : "t"(whole));
                __asm__("fld %%st\n\tfistpll %0" : "=m"(wide) : "t"(whole * 65537));
                __asm__("fld %%st\n\tfbstp %0" : "=m"(decimal) : "t"(whole));
                mix(&integer, 4);
                mix(&wide, 8);
                mix(decimal, 10);
            }
        }
        mix_extended(sum);
        double narrow = (double)sum;
        float single = (float)sum;
        mix(&narrow, 8);
        mix(&single, 4);
    }
    set_x87(0x37f);
    report("x87", hash);
    volatile double zero = 0, tiny = 5e-324, huge = 1.7976931348623157e308;
    long double values[] = { 1 / zero, -1 / zero, tiny / 2, huge * 2.0L, tiny * tiny, zero / zero };
    hash = 2166136261u;
    for (u32 k = 0; k < 6; k++)
        mix_extended(values[k]);
    report("x87-edges", hash);
}

/* ---- SSE, SSE2, MMX ---- */

typedef float vf __attribute__((vector_size(16)));
typedef double vd __attribute__((vector_size(16)));
typedef int vi __attribute__((vector_size(16)));
typedef short vs __attribute__((vector_size(8)));

static void sse(u32 rounds)
{
    static vf floats[64];
    static vd doubles[64];
    static const u32 controls[] = { 0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9f80 };
    hash = 2166136261u;
    for (u32 c = 0; c < 5; c++) {
        __asm__ volatile("ldmxcsr %0" : : "m"(controls[c]));
        for (u32 k = 0; k < 64; k++) {
            floats[k] = (vf){ k + 0.5f, k * 1e-3f, 1e30f / (k + 1), 1e-38f * k };
            doubles[k] = (vd){ k / 7.0, 1e300 / (k + 1) };
        }
        for (u32 n = 0; n < rounds * 4; n++)
            for (u32 k = 0; k < 64; k++) {
                vf a = floats[k], b = floats[(k + 1) & 63];
                vd d = doubles[k], e = doubles[(k * 5 + 3) & 63];
                vf root;
                vi whole;
                __asm__("sqrtps %1, %0" : "=x"(root) : "x"(a * a));
                __asm__("cvtps2dq %1, %0" : "=x"(whole) : "x"(root));
                floats[k] = a * 0.999f + b * 0.001f + root * 1e-7f;
                doubles[k] = d / 1.0000001 + e * 1e-9;
                vi m = (vi)floats[k] ^ whole;
                mix(&m, 16);
            }
        mix(doubles, sizeof doubles);
    }
    u32 normal = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(normal));
    report("sse", hash);
    hash = 2166136261u;
    vs a = { 1, -2, 300, 32000 }, b = { 7, 11, -13, 17 }, sum = { 0 };
    for (u32 n = 0; n < rounds * 500; n++) {
        __asm__("movq %1, %%mm0\n\tpaddsw %2, %%mm0\n\tpmullw %2, %%mm0\n\tpsubusw %1, %%mm0\n\tmovq %%mm0, %0\n\temms"
                : "=m"(sum) : "m"(a), "m"(b) : "mm0");
        a += sum;
        b ^= a;
    }
    mix(&a, 8);
    mix(&b, 8);
    report("mmx", hash);
}

/* ---- Signals ---- */

struct action {
    void (*handler)(int, int *, u32 *);
    u32 flags;
    void (*restorer)(void);
    u32 mask[2];
};

/* Indexes into the ucontext: its general registers begin at word 5. */
enum { CONTEXT_EAX = 5 + 11, CONTEXT_TRAP = 5 + 12, CONTEXT_ERROR = 5 + 13, CONTEXT_EIP = 5 + 14,
       CONTEXT_EFLAGS = 5 + 16, CONTEXT_FPU = 5 + 19 };
/* Indexes into siginfo. */
enum { INFO_CODE = 2, INFO_ADDRESS = 3 };

static volatile u32 taken, code, address, trap, error, where, skip, alarms, steps;

__asm__("restore: mov $173, %eax\n\tint $0x80");
extern void restore(void);

static void handler(int signal, int *info, u32 *context)
{
    (void)signal;
    taken++;
    code = (u32)info[INFO_CODE];
    address = (u32)info[INFO_ADDRESS];
    trap = context[CONTEXT_TRAP];
    error = context[CONTEXT_ERROR];
    where = context[CONTEXT_EIP];
    context[CONTEXT_EIP] += skip;
    u32 *fpu = (u32 *)context[CONTEXT_FPU];
    if (trap == 16 && fpu) {
        fpu[0] |= 0x3f;
        fpu[1] &= ~0x80ffu;
    }
    if (trap == 19 && fpu)
        *(u32 *)((u8 *)fpu + 112 + 24) = 0x1f80;
}

static void on_alarm(int signal, int *info, u32 *context)
{
    (void)signal, (void)info, (void)context;
    alarms++;
}

static void on_step(int signal, int *info, u32 *context)
{
    (void)signal, (void)info;
    if (++steps >= 100)
        context[CONTEXT_EFLAGS] &= ~0x100u;
}

static void catch(int signal, void (*with)(int, int *, u32 *), u32 more)
{
    struct action action = { with, 0x04000004u | more, restore, { 0, 0 } };
    syscall4(SYS_SIGACTION, (u32)signal, (u32)&action, 0, 8);
}

enum { SIGILL = 4, SIGTRAP = 5, SIGFPE = 8, SIGUSR1 = 10, SIGSEGV = 11, SIGALRM = 14 };

static int got(u32 wanted_code, u32 wanted_trap)
{
    int good = taken == 1 && code == wanted_code && trap == wanted_trap;
    taken = 0;
    return good;
}

static void *map(u32 bytes, u32 protection, u32 flags)
{
    return (void *)syscall6(SYS_MMAP, 0, bytes, protection, flags, (u32)-1, 0);
}

enum { READ = 1, WRITE = 2, EXEC = 4, SHARED = 0x21, PRIVATE = 0x22 };

static void integer_signals(u32 rounds)
{
    catch(SIGFPE, handler, 0);
    catch(SIGILL, handler, 0);
    catch(SIGSEGV, handler, 0);
    int good = 1;
    for (u32 k = 0; k < rounds; k++) {
        u32 quotient = 1, rest = 0;
        skip = 2;
        __asm__ volatile("0: divl %2" : "+a"(quotient), "+d"(rest) : "r"(0) : "cc");
        good &= got(1, 0) && address == where;
        __asm__ volatile("ud2" : : : "memory");
        good &= got(2, 6);
        u8 *page = map(8192, READ, PRIVATE);
        __asm__ volatile("movb %%al, (%0)" : : "r"(page + 5) : "memory");
        good &= got(2, 14) && address == (u32)page + 5 && (error & 7) >= 6;
        syscall4(SYS_MUNMAP, (u32)page, 8192, 0, 0);
        u32 before = 7;
        __asm__ volatile("movb (%1), %b0" : "+q"(before) : "r"(page) : "memory");
        good &= got(1, 14) && address == (u32)page && before == 7;
        __asm__ volatile("nop\n\thlt\n\tnop" : : : "memory");
        good &= taken == 1 && trap == 13;
        taken = 0;
    }
    verdict("sigfpe-sigill-sigsegv", good);
}

static void float_signals(u32 rounds)
{
    int good = 1;
    skip = 0;
    for (u32 k = 0; k < rounds; k++) {
        __asm__ volatile("fninit");
        set_x87(0x37b);
        __asm__ volatile("fldz\n\tfld1\n\tfdivp\n\tfwait\n\tfstp %%st(0)" : : : "st");
        good &= got(3, 16);
        __asm__ volatile("fninit");
        u32 unmasked = 0x1d80;
        vf zero = { 0 }, one = { 1, 1, 1, 1 };
        skip = 3;
        __asm__ volatile("ldmxcsr %2\n\tdivps %1, %0" : "+x"(one) : "x"(zero), "m"(unmasked));
        good &= got(3, 19) && one[0] == 1;
        skip = 0;
        u32 normal = 0x1f80;
        __asm__ volatile("ldmxcsr %0" : : "m"(normal));
    }
    verdict("sigfpe-x87-sse", good);
}

static void steps_and_breakpoints(void)
{
    catch(SIGTRAP, handler, 0);
    skip = 0;
    __asm__ volatile("int3");
    verdict("sigtrap-int3", taken == 1 && trap == 3);
    taken = 0;
    catch(SIGTRAP, on_step, 0);
    u32 count = 1000;
    __asm__ volatile("pushf\n\torl $0x100, (%%esp)\n\tpopf\n\t0: decl %0\n\tjnz 0b" : "+r"(count) : : "memory", "cc");
    report("sigtrap-steps", steps);
}

static void timers(u32 rounds)
{
    u32 every[4] = { 0, 2000, 0, 2000 }, none[4] = { 0 };
    catch(SIGALRM, on_alarm, 0x10000000u);
    syscall4(SYS_SETITIMER, 0, (u32)every, 0, 0);
    u32 wanted = rounds < 5 ? rounds : 5, wrong = 0;
    double wave = 1;
    while (alarms < wanted) {
        u32 sum = 0;
        for (volatile u32 k = 0; k < 100; k++)
            sum += k;
        wrong += sum != 4950;
        wave = wave * 0.5 + 1;
    }
    syscall4(SYS_SETITIMER, 0, (u32)none, 0, 0);
    verdict("sigalrm", wrong == 0 && wave > 1 && wave < 2.1);
}

static volatile u32 on_stack;

static void note_stack(int signal, int *info, u32 *context)
{
    (void)signal, (void)info, (void)context;
    on_stack = (u32)&signal;
}

static void other_stack(void)
{
    u32 stack = (u32)map(65536, READ | WRITE, PRIVATE);
    u32 description[3] = { stack, 0, 65536 };
    syscall4(SYS_SIGALTSTACK, (u32)description, 0, 0, 0);
    catch(SIGUSR1, note_stack, 0x08000000u);
    u32 mask[2] = { 1u << (SIGUSR1 - 1), 0 };
    syscall4(SYS_SIGPROCMASK, 0, (u32)mask, 0, 8);
    u32 self = (u32)syscall4(SYS_GETPID, 0, 0, 0, 0);
    syscall4(SYS_KILL, self, SIGUSR1, 0, 0);
    int blocked = on_stack == 0;
    syscall4(SYS_SIGPROCMASK, 1, (u32)mask, 0, 8);
    verdict("sigaltstack-sigprocmask", blocked && on_stack - stack < 65536);
}

/* ---- Jumps that are not local ---- */

static void *jump[5];

static __attribute__((noinline)) void deep(u32 level)
{
    volatile char room[64];
    room[level & 63] = 1;
    if (level == 0)
        __builtin_longjmp(jump, 1);
    deep(level - 1 + (room[0] & 0));
}

static __attribute__((noinline)) u32 jumps(u32 rounds)
{
    volatile u32 count = 0;
    if (__builtin_setjmp(jump))
        count++;
    if (count < rounds)
        deep(count % 50);
    return count;
}

/* ---- Memory ---- */

static void memory(u32 rounds)
{
    hash = 2166136261u;
    int good = 1;
    for (u32 k = 0; k < rounds; k++) {
        u32 pages = 3 + k % 13;
        u8 *area = map(pages * 4096, READ | WRITE, PRIVATE);
        for (u32 n = 0; n < pages; n++)
            *(u32 *)(area + n * 4096 + (n ? -2 : 0)) = random32();
        syscall4(SYS_MPROTECT, (u32)area + 4096, 4096, READ, 0);
        skip = 2;
        taken = 0;
        __asm__ volatile("movb %%al, (%0)" : : "r"(area + 4096) : "memory");
        good &= taken == 1 && address == (u32)area + 4096;
        taken = 0;
        area = (u8 *)syscall4(SYS_MREMAP, (u32)area + 8192, (pages - 2) * 4096, (pages + 6) * 4096, 1) - 8192;
        mix(area + 8192, (pages - 2) * 4096);
        good &= area[(pages + 1) * 4096] == 0;
        syscall4(SYS_MUNMAP, (u32)area, (pages + 8) * 4096, 0, 0);
    }
    verdict("mmap-mprotect-mremap", good);
    report("memory", hash);
}

/* Code that is written, run, changed and run again, at every place of a page and across its end. */
static void code_that_changes(u32 rounds)
{
    u8 *area = map(8192, READ | WRITE | EXEC, PRIVATE);
    u32 sum = 0;
    for (u32 k = 0; k < rounds * 8; k++) {
        u8 *at = area + 4096 - 8 + k % 16;
        u32 value = random32();
        at[0] = 0xb8;
        *(u32 *)(at + 1) = value;
        at[5] = 0xc3;
        u32 first = ((u32(*)(void))at)();
        at[2] ^= 0x55;
        u32 second = ((u32(*)(void))at)();
        sum += (first == value) + (second == (value ^ 0x5500));
    }
    /* mov byte [next instruction's immediate], al; mov al, imm; ret */
    u8 self[] = { 0xa2, 0, 0, 0, 0, 0xb0, 0x11, 0x0f, 0xb6, 0xc0, 0xc3 };
    *(u32 *)(self + 1) = (u32)area + 64 + 6;
    memcpy(area + 64, self, sizeof self);
    u32 result;
    __asm__ volatile("call *%1" : "=a"(result) : "r"(area + 64), "0"(0x77) : "memory");
    verdict("code-that-changes", sum == rounds * 16 && result == 0x77);
    syscall4(SYS_MUNMAP, (u32)area, 8192, 0, 0);
}

/* ---- Threads ---- */

struct descriptor {
    u32 entry, base, limit, bits;
};

enum { THREADS = 4, STACK = 65536 };

static volatile u32 lock_word, counter, running[THREADS];
static u32 locals[THREADS + 1][4];
static u32 thread_rounds;

static int futex(volatile u32 *word, u32 operation, u32 value)
{
    return syscall6(SYS_FUTEX, (u32)word, operation, value, 0, 0, 0);
}

static void lock(void)
{
    u32 seen = __sync_val_compare_and_swap(&lock_word, 0, 1);
    while (seen != 0) {
        if (seen == 2 || __sync_val_compare_and_swap(&lock_word, 1, 2) != 0)
            futex(&lock_word, 0, 2);
        seen = __sync_val_compare_and_swap(&lock_word, 0, 2);
    }
}

static void unlock(void)
{
    if (__sync_fetch_and_sub(&lock_word, 1) != 1) {
        lock_word = 0;
        futex(&lock_word, 1, 1);
    }
}

static __attribute__((noinline, used)) void thread_body(u32 number)
{
    double mine = number;
    long double wide = number;
    for (u32 k = 0; k < thread_rounds; k++) {
        lock();
        counter++;
        if (k % 64 == 0)
            syscall4(SYS_YIELD, 0, 0, 0, 0);
        unlock();
        mine = mine * 1.5 - mine * 0.5 + 1;
        wide = wide + 1;
        __asm__ volatile("incl %%gs:0" : : : "memory", "cc");
    }
    if (mine != number + thread_rounds || wide != mine)
        locals[number][1] = 1;
}

static void start_thread(u32 number, u32 entry)
{
    struct descriptor tls = { entry, (u32)locals[number], 15, 0x41 };
    u32 *stack = (u32 *)((u8 *)map(STACK, READ | WRITE, PRIVATE) + STACK);
    *--stack = number;
    running[number - 1] = 1;
    /* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, CHILD_CLEARTID */
    u32 flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x80000 | 0x200000;
    __asm__ volatile("int $0x80\n\ttest %%eax, %%eax\n\tjnz 0f\n\t"
                     "call thread_body\n\tmov $1, %%eax\n\txor %%ebx, %%ebx\n\tint $0x80\n0:"
                     : "+a"((u32){ SYS_CLONE }) : "b"(flags), "c"(stack), "d"(0), "S"(&tls), "D"(&running[number - 1])
                     : "memory", "cc");
}

static void threads(u32 rounds)
{
    thread_rounds = rounds * 20;
    struct descriptor tls = { (u32)-1, (u32)locals[0], 15, 0x41 };
    int set = syscall4(SYS_SET_THREAD_AREA, (u32)&tls, 0, 0, 0) == 0;
    __asm__ volatile("mov %w0, %%gs" : : "r"(tls.entry * 8 + 3));
    for (u32 k = 1; k <= THREADS; k++)
        start_thread(k, tls.entry);
    int good = set;
    for (u32 k = 1; k <= THREADS; k++) {
        while (running[k - 1])
            futex(&running[k - 1], 0, 1);
        good &= locals[k][0] == thread_rounds && locals[k][1] == 0;
    }
    verdict("threads-futex-tls", good && locals[0][0] == 0);
    report("threads", counter);
}

/* ---- Segments of its own ---- */

/* 16-bit code: mov ax,1234h; add ax,ax; shl ax,cl; retf with a 32-bit operand size */
static const u8 code16[] = { 0xb8, 0x34, 0x12, 0x01, 0xc0, 0xd3, 0xe0, 0x66, 0xcb };

static void segments(u32 rounds)
{
    static u8 data[64];
    static u8 code_copy[64];
    memcpy(code_copy, code16, sizeof code16);
    struct descriptor limited = { 0, (u32)data, 15, 0x51 & ~0x10 };
    struct descriptor small = { 1, (u32)code_copy, 63, 0x04 };
    syscall4(SYS_MPROTECT, (u32)code_copy & ~4095u, 8192, READ | WRITE | EXEC, 0);
    if (syscall4(SYS_MODIFY_LDT, 1, (u32)&limited, sizeof limited, 0) != 0 ||
        syscall4(SYS_MODIFY_LDT, 1, (u32)&small, sizeof small, 0) != 0) {
        put("c/segments no modify_ldt\n");
        return;
    }
    int good = 1;
    for (u32 k = 0; k < rounds; k++) {
        u32 value;
        data[k & 15] = (u8)k;
        __asm__ volatile("mov %w2, %%es\n\tmovzbl %%es:(%1), %0" : "=r"(value) : "r"(k & 15), "r"(7));
        good &= value == (k & 255);
        taken = 0;
        skip = 4;
        __asm__ volatile("movzbl %%es:(%1), %0\n\tnop" : "=a"(value) : "c"(16 + k));
        good &= taken == 1 && trap == 13;
        taken = 0;
        struct { u32 offset; u16 selector; } __attribute__((packed)) far = { 0, 15 };
        __asm__ volatile("lcall *%2" : "=a"(value) : "c"(k & 3), "m"(far), "0"(0x55550000) : "cc", "memory");
        good &= value == (0x55550000 | ((0x2468u << (k & 3)) & 0xffff));
        __asm__ volatile("push %%ds\n\tpop %%es" : : : "memory");
    }
    verdict("segments", good);
}

/* ---- Processes ---- */

static void processes(u32 rounds)
{
    volatile u32 *shared = map(4096, READ | WRITE, SHARED);
    u32 sum = 0;
    for (u32 k = 0; k < rounds; k++) {
        int ends[2];
        syscall4(SYS_PIPE, (u32)ends, 0, 0, 0);
        int child = syscall4(SYS_FORK, 0, 0, 0, 0);
        if (child == 0) {
            u32 values[64];
            for (u32 n = 0; n < 64; n++)
                values[n] = random32();
            __sync_fetch_and_add(shared, k);
            syscall4(SYS_WRITE, (u32)ends[1], (u32)values, sizeof values, 0);
            syscall4(SYS_EXIT_GROUP, k & 127, 0, 0, 0);
        }
        u32 values[64] = { 0 }, status = 0;
        syscall4(SYS_READ, (u32)ends[0], (u32)values, sizeof values, 0);
        syscall4(SYS_WAITPID, (u32)child, (u32)&status, 0, 0);
        for (u32 n = 0; n < 64; n++)
            sum += values[n] == random32();
        sum += status == (k & 127) << 8;
        syscall4(6, (u32)ends[0], 0, 0, 0);
        syscall4(6, (u32)ends[1], 0, 0, 0);
    }
    verdict("fork-pipe-wait", sum == rounds * 65 && *shared == rounds * (rounds - 1) / 2);
}

static u32 number(const char *text)
{
    u32 value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10 + (u32)(*text++ - '0');
    return value;
}

__attribute__((used)) void start(u32 *stack)
{
    u32 rounds = stack[0] > 1 ? number((const char *)stack[2]) : 10;
    x87(rounds);
    sse(rounds);
    integer_signals(rounds);
    float_signals(rounds);
    steps_and_breakpoints();
    timers(rounds);
    other_stack();
    report("longjmp", jumps(rounds * 10));
    memory(rounds);
    code_that_changes(rounds);
    threads(rounds);
    segments(rounds);
    processes(rounds);
    syscall4(SYS_EXIT_GROUP, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %esp, %eax\n\tand $-16, %esp\n\tpush %eax\n\tpush %eax\n\tpush %eax\n\tpush %eax\n\tcall start");
