/*
 * allocations — counts what each thread asks the heap for; loaded before the C library.
 */
#include <stddef.h>

unsigned long spec_allocations(void);
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *memory, size_t bytes);

static __thread unsigned long allocations __attribute__((tls_model("initial-exec")));

/* How many the calling thread has made. */
unsigned long spec_allocations(void)
{
    return allocations;
}

void *malloc(size_t bytes)
{
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    allocations++;
    return __libc_realloc(memory, bytes);
}
