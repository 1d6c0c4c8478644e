/* hostfaults: what the host's own page faults cost, for a program of the host's own width. Prints, in nanoseconds,
 *     @host SIGNAL MAP TOUCH
 * all of the processor's time, so that neighbours do not count.
 * SIGNAL: an access to a page without rights, SIGSEGV, a handler that skips the access, and the return from it. MAP: one page of
 * a memory file mapped over another one. TOUCH: the first access to a page so mapped (the file's page is there already, so that
 * the host's kernel only fills a table). Where the host is itself a guest, the last is what nested page tables make dear. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGES = 4096, ROUNDS = 5, PAGE = 4096, SIGNALS = 20000 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* MOV AL, [RDI] has two bytes. */
static void skip(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void least(double *best, double value)
{
    if (*best == 0 || value < *best)
        *best = value;
}

static void need(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
    double from, best[3] = {0, 0, 0};
    int file = memfd_create("hostfaults", 0), round, i;
    need(file >= 0 && ftruncate(file, (off_t)PAGES * PAGE) == 0, "memfd_create");
    for (i = 0; i < PAGES; i++)
        need(pwrite(file, "x", 1, (off_t)i * PAGE) == 1, "pwrite");
    sigaction(SIGSEGV, &action, NULL);
    char *area = mmap(NULL, (size_t)2 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(area != MAP_FAILED, "mmap");
    for (round = 0; round < ROUNDS; round++) {
        from = now();
        for (i = 0; i < SIGNALS; i++)
            __asm__ volatile("movb (%%rdi), %%al" : : "D"(area) : "rax", "memory");
        least(&best[0], (now() - from) / SIGNALS);
        /* Every other page, so that none joins its neighbour. */
        from = now();
        for (i = 0; i < PAGES; i++)
            need(mmap(area + (size_t)(2 * i + 1) * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
                      (off_t)i * PAGE) != MAP_FAILED, "mmap");
        least(&best[1], (now() - from) / PAGES);
        from = now();
        for (i = 0; i < PAGES; i++)
            *(volatile char *)(area + (size_t)(2 * i + 1) * PAGE);
        least(&best[2], (now() - from) / PAGES);
        /* All of it goes, and PROT_NONE is back. */
        need(mmap(area, (size_t)2 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED, "mmap");
    }
    printf("@host %.0f %.0f %.0f\n", best[0], best[1], best[2]);
    return 0;
}
