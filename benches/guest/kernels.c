/* kernels NAME: one small kernel of user code; prints a checksum that is the same everywhere.
 *
 * Each stands for one thing that a binary translator may be slow at. The counts make each take 0.1 to 0.2 s natively. */
#include "sys.h"

#define SORT_COUNT 1000000u
#define CHASE_COUNT (1u << 16)
#define HASH_BYTES (1u << 20)
#define STREAM_COUNT (1u << 20)

static u32 numbers[SORT_COUNT];
static u32 next[CHASE_COUNT];
static u8 text[HASH_BYTES];

static u32 random_state = 12345;

static u32 random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

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

static u32 recursion(void)
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

/* Calls through pointers that no predictor of ours can know: sixteen targets, in a pseudo-random order. */
#define TARGET(n) static __attribute__((noinline)) u32 target##n(u32 x) { return x * (2 * n + 1) + n; }
TARGET(0) TARGET(1) TARGET(2) TARGET(3) TARGET(4) TARGET(5) TARGET(6) TARGET(7)
TARGET(8) TARGET(9) TARGET(10) TARGET(11) TARGET(12) TARGET(13) TARGET(14) TARGET(15)
static u32 (*const volatile targets[16])(u32) = {target0, target1, target2, target3, target4, target5, target6, target7,
    target8, target9, target10, target11, target12, target13, target14, target15};

static u32 indirect(void)
{
    u32 i, sum = 1;
    for (i = 0; i < 30000000; i++)
        sum = targets[(i * 7 + (i >> 4)) & 15](sum);
    return sum;
}

/* An interpreter's loop: a byte code dispatched by a switch (a jump table). */
static u32 dispatch(void)
{
    u32 at = 0, a = 1, b = 2, steps;
    for (steps = 0; steps < HASH_BYTES; steps++)
        text[steps] = (u8)(random_number() % 12);
    for (steps = 0; steps < 80000000; steps++) {
        switch (text[at]) {
        case 0: a += b; break;
        case 1: a ^= b << 3; break;
        case 2: b = b * 5 + 1; break;
        case 3: a -= 7; break;
        case 4: b ^= a >> 5; break;
        case 5: a = a << 1 | a >> 31; break;
        case 6: b += a; break;
        case 7: a = ~a; break;
        case 8: b -= steps; break;
        case 9: a *= 3; break;
        case 10: at ^= 1; break;
        default: b |= 1; break;
        }
        at = (at + 1) & (HASH_BYTES - 1) & 0xfff;
    }
    return a ^ b;
}

/* Three arrays of 4 MiB, read and written in order. */
static u32 streaming(void)
{
    static u32 x[STREAM_COUNT], y[STREAM_COUNT], z[STREAM_COUNT];
    u32 round, i, sum = 0;
    for (i = 0; i < STREAM_COUNT; i++)
        x[i] = i, y[i] = i * 3;
    for (round = 0; round < 300; round++) {
        for (i = 0; i < STREAM_COUNT; i++)
            z[i] = x[i] + y[i] * round;
        sum += z[round * 1000];
    }
    return sum;
}

/* Double arithmetic on the x87: sums, products, quotients, roots. */
static u32 x87(void)
{
    double x = 0.5, sum = 0.0;
    u32 i;
    for (i = 1; i <= 30000000; i++) {
        x = x * 1.0000001 + 0.000001;
        sum += x / (double)(i & 1023 ? i & 1023 : 1);
        if ((i & 63) == 0)
            __asm__("fsqrt" : "+t"(sum));
    }
    return (u32)(u64)(sum * 16.0);
}

/* The same with two doubles at a time in the XMM registers. */
static __attribute__((target("sse2"))) u32 sse2(void)
{
    typedef double pair __attribute__((vector_size(16)));
    pair a = {0.5, 0.25}, b = {1.0000001, 0.9999999}, c = {0.000001, 0.000002}, sum = {0.0, 0.0};
    u32 i;
    for (i = 0; i < 50000000; i++) {
        a = a * b + c;
        sum += a;
    }
    return (u32)(u64)(sum[0] + sum[1]);
}

/* The byte registers, high and low, which alias the registers that hold them. */
static u32 bytes(void)
{
    u32 count = 150000000, value = 0x12345678, other = 0x9abcdef0;
    __asm__ volatile("1:\n\taddb %%ah, %%al\n\txorb %%dl, %%ah\n\trolb $1, %%dl\n\tsubb %%dh, %%al\n"
                     "\taddb $3, %%dh\n\tmovb %%al, %%dh\n\tdecl %%ecx\n\tjnz 1b"
                     : "+a"(value), "+d"(other), "+c"(count) : : "cc");
    return value ^ other;
}

static const struct { const char *name; u32 (*kernel)(void); } kernels[] = {
    {"loops", loops}, {"recursion", recursion}, {"indirect-calls", indirect}, {"switch", dispatch}, {"chase", chasing},
    {"streaming", streaming}, {"sorting", sorting}, {"hashing", hashing}, {"x87", x87}, {"sse2", sse2}, {"bytes", bytes},
};

static int program(int count, char **arguments)
{
    u32 i;
    for (i = 0; count == 2 && i < sizeof kernels / sizeof *kernels; i++)
        if (equal(arguments[1], kernels[i].name)) {
            print_number(kernels[i].kernel());
            return 0;
        }
    return 2;
}
