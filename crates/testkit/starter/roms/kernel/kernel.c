/*! title = "C: a kernel that its Makefile builds"
 *! build = "make kernel.elf"
 *! image = "kernel.elf"
 *! append = "sum 1 2 3"
 *! serial = "sum 1 2 3 is 6\n"
 *! requires = ["make", "cc", "ld"]
 *! tags = ["c"]
 */

static void out(unsigned short port, unsigned char value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char *text)
{
    while (*text)
        out(0x3f8, *text++);
}

/* What stands behind the first word, which is the image's name. */
static const char *arguments(const char *text)
{
    while (*text && *text != ' ')
        text++;
    return *text ? text + 1 : text;
}

/* The digits of a text, added up. */
static unsigned sum(const char *text)
{
    unsigned total = 0;
    for (; *text; text++)
        if (*text >= '0' && *text <= '9')
            total += *text - '0';
    return total;
}

/* Called by start.s with the Multiboot information; what it returns is written to the debug-exit port. */
int kernel(const unsigned *info)
{
    const char *words = arguments((const char *)info[4]);
    char digit[] = {'0' + sum(words) % 10, '\n', 0};
    print(words);
    print(" is ");
    print(digit);
    return 0;
}
