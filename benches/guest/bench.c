/* The user program of the side-by-side runs: loops, calls, sorting, hashing, pointer chasing.
 *
 * One static i386 executable without a C library, so that a machine with a plain gcc builds it and the same file runs on
 * the host, under Ringer and under QEMU. Each kernel is timed by CLOCK_MONOTONIC and printed as
 *     name microseconds checksum
 * The checksums are the same everywhere; the last line is `total microseconds 0`.
 */
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

#define SORT_COUNT 1000000u
#define CHASE_COUNT (1u << 16)
#define HASH_BYTES (1u << 20)

struct timespec32 {
    int seconds, nanoseconds;
};

static u32 numbers[SORT_COUNT];
static u32 next[CHASE_COUNT];
static u8 text[HASH_BYTES];

static int syscall3(int number, u32 a, u32 b, u32 c)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

/* gcc may call these two for plain C. */
void *memset(void *to, int value, u32 count)
{
    u8 *bytes = to;
    while (count--)
        *bytes++ = (u8)value;
    return to;
}

void *memcpy(void *to, const void *from, u32 count)
{
    u8 *bytes = to;
    const u8 *source = from;
    while (count--)
        *bytes++ = *source++;
    return to;
}

/* Microseconds of CLOCK_MONOTONIC (clock_gettime is 265), modulo 2^32. */
static u32 now(void)
{
    struct timespec32 time;
    syscall3(265, 1, (u32)&time, 0);
    return (u32)time.seconds * 1000000u + (u32)time.nanoseconds / 1000u;
}

static char *put_number(char *at, u32 value)
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

static void report(const char *name, u32 microseconds, u32 checksum)
{
    char line[64], *at = line;
    while (*name)
        *at++ = *name++;
    *at++ = ' ';
    at = put_number(at, microseconds);
    *at++ = ' ';
    at = put_number(at, checksum);
    *at++ = '\n';
    syscall3(4, 1, (u32)line, (u32)(at - line));
}

static u32 random_state = 12345;

static u32 random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* The five kernels take about the same time natively, so that none decides the program's time alone. */

/* Integer arithmetic in nested loops, branches that predict well, no memory. */
static u32 loops(void)
{
    u32 sum = 1, i, j;
    for (i = 1; i <= 6500; i++)
        for (j = 0; j < 10000; j++) {
            sum += (i ^ j) * 3;
            if (sum & 1)
                sum = (sum >> 1) + j;
        }
    return sum;
}

/* Calls and returns. */
static __attribute__((noinline, optimize("no-optimize-sibling-calls"))) u32 fib(u32 n)
{
    u32 a;
    if (n < 2)
        return n;
    a = fib(n - 1);
    __asm__ volatile("" : "+r"(a)); /* keeps gcc from turning one of the calls into a loop */
    return a + fib(n - 2);
}

static u32 calls(void)
{
    return fib(38);
}

static void quicksort(u32 *low, u32 *high)
{
    while (low < high) {
        u32 pivot = low[(high - low) / 2], swap, *i = low, *j = high;
        while (i <= j) {
            while (*i < pivot)
                i++;
            while (*j > pivot)
                j--;
            if (i <= j) {
                swap = *i;
                *i++ = *j;
                *j-- = swap;
            }
        }
        quicksort(low, j);
        low = i;
    }
}

/* Unpredictable branches, recursion, four megabytes of data; twice. */
static u32 sorting(void)
{
    u32 round, i, sum = 0;
    for (round = 0; round < 2; round++) {
        for (i = 0; i < SORT_COUNT; i++)
            numbers[i] = random_number();
        quicksort(numbers, numbers + SORT_COUNT - 1);
        for (i = 0; i < SORT_COUNT; i += 1000)
            sum = sum * 31 + numbers[i];
        for (i = 1; i < SORT_COUNT; i++)
            if (numbers[i - 1] > numbers[i])
                return 0;
    }
    return sum;
}

static u32 rotate(u32 value, int count)
{
    return value << count | value >> (32 - count);
}

/* FNV-1a (byte loads, multiplications) and the mixing of a SHA-like round (rotations, logic on words). */
static u32 hashing(void)
{
    u32 round, i, hash = 0x811c9dc5u;
    u32 a = 0x67452301u, b = 0xefcdab89u, c = 0x98badcfeu, d = 0x10325476u, e = 0xc3d2e1f0u;
    for (i = 0; i < HASH_BYTES; i++)
        text[i] = (u8)random_number();
    for (round = 0; round < 60; round++)
        for (i = 0; i < HASH_BYTES; i++)
            hash = (hash ^ text[i]) * 0x01000193u;
    for (round = 0; round < 120; round++)
        for (i = 0; i < HASH_BYTES; i += 4) {
            u32 f = rotate(a, 5) + ((b & c) | (~b & d)) + e + 0x5a827999u + *(u32 *)(text + i);
            e = d;
            d = c;
            c = rotate(b, 30);
            b = a;
            a = f;
        }
    return hash ^ a ^ b ^ c ^ d ^ e;
}

/* A random cycle over 256 KiB of indices: each load waits for the one before. */
static u32 chasing(void)
{
    u32 i, at = 0, sum = 0;
    for (i = 0; i < CHASE_COUNT; i++)
        next[i] = i;
    for (i = CHASE_COUNT - 1; i > 0; i--) { /* Sattolo's shuffle: one cycle through all */
        u32 j = random_number() % i, swap = next[i];
        next[i] = next[j];
        next[j] = swap;
    }
    for (i = 0; i < 40000000; i++) {
        at = next[at];
        sum += at;
    }
    return sum;
}

static u32 timed(const char *name, u32 (*kernel)(void))
{
    u32 start = now(), checksum = kernel(), end = now();
    report(name, end - start, checksum);
    return end - start;
}

__attribute__((used)) static void run(void)
{
    u32 total = timed("loops", loops);
    total += timed("calls", calls);
    total += timed("sorting", sorting);
    total += timed("hashing", hashing);
    total += timed("chasing", chasing);
    report("total", total, 0);
    syscall3(1, 0, 0, 0);
}

/* The kernel enters with a stack that is aligned to 16 bytes but holds no return address. */
__asm__(".globl _start\n_start:\n\txorl %ebp, %ebp\n\tandl $-16, %esp\n\tcall run\n\tud2\n");
