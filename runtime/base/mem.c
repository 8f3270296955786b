/*
 * mem — allocation, with the one check that all callers would otherwise repeat.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/yielding.h"

/* What glibc keeps of what a thread has freed last is of at most so many bytes each. calloc() does
 * not take from there, which is four times the instructions. */
#define RECENT_BYTES_MAX 1032

static void *checked(void *pointer, size_t bytes)
{
    if (pointer != NULL)
        return pointer;
    fprintf(stderr, "moongate: out of memory (%zu bytes asked for)\n", bytes);
    abort();
}

void *mem_alloc(size_t bytes)
{
    return checked(malloc(bytes > 0 ? bytes : 1), bytes);
}

void *mem_zeroed(size_t bytes)
{
    if (bytes > RECENT_BYTES_MAX || bytes == 0)
        return checked(calloc(1, bytes > 0 ? bytes : 1), bytes);
    void *recent = mem_alloc(bytes);
    __asm__("" : "+r"(recent)); /* or gcc makes one calloc() of these two calls */
    return memset(recent, 0, bytes);
}

void *mem_zeroed_array(size_t count, size_t bytes)
{
    return checked(calloc(count > 0 ? count : 1, bytes > 0 ? bytes : 1), count);
}

void *mem_resize(void *pointer, size_t bytes)
{
    return checked(realloc(pointer, bytes > 0 ? bytes : 1), bytes);
}

/* Where that is not to be had, or pages are larger, they come as they are touched. */
void *mem_populate(void *memory, size_t bytes)
{
    char *at = (char *)memory + (-(uintptr_t)memory & (MEM_PAGE_BYTES - 1));
    const char *end = (char *)memory + bytes;

    while (at < end && (size_t)(end - at) >= MEM_PAGE_BYTES) {
        size_t left = (size_t)(end - at) & ~(MEM_PAGE_BYTES - 1);
        size_t stretch = left < MEM_STRETCH_BYTES ? left : MEM_STRETCH_BYTES;
        madvise(at, stretch, MADV_POPULATE_WRITE);
        at += stretch;
        yielding_offer_now();
    }
    return memory;
}

void *mem_table(size_t bytes)
{
    size_t large = bytes & ~(MEM_LARGE_PAGE_BYTES - 1);
    void *table = NULL;

    if (posix_memalign(&table, large > 0 ? MEM_LARGE_PAGE_BYTES : MEM_LINE_BYTES,
                       bytes > 0 ? bytes : 1) != 0)
        table = NULL;
    checked(table, bytes);
    if (large > 0)
        madvise(table, large, MADV_HUGEPAGE); /* where it is refused, small pages do */
    return table;
}

char *mem_string(const char *string)
{
    if (string == NULL)
        return NULL;
    size_t bytes = strlen(string) + 1;
    return memcpy(mem_alloc(bytes), string, bytes);
}
