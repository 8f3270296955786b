/*
 * mem — heap memory that never fails: exhaustion ends the process with a message.
 *
 * A gateway that goes on after a failed allocation runs code nobody ever tested;
 * a worker that ends is replaced. Everything here is given back with free().
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

/* The struct of `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define ARRAY_LENGTH(array)                 (sizeof(array) / sizeof((array)[0]))

/* Of the processor's cache. */
#define MEM_LINE_BYTES       ((size_t)64)
#define MEM_LARGE_PAGE_BYTES ((size_t)2 << 20)
/* Where pages are larger, what is done by these is not done. */
#define MEM_PAGE_BYTES ((size_t)4096)
/* What is populated at once: a fraction of a millisecond's work, or one large page. */
#define MEM_STRETCH_BYTES ((size_t)131072)

void *mem_alloc(size_t bytes);
void *mem_zeroed(size_t bytes);
/* `count` times `bytes`, checked for overflow; zeroed. */
void *mem_zeroed_array(size_t count, size_t bytes);
/* Grows or shrinks `*pointer` (may be NULL); what was there moves along. */
void *mem_resize(void *pointer, size_t bytes);
/*
 * For a table that is read at random: begins at a line of the cache, and lies on large pages where
 * the system has them and it fills some, so that a look-up does not wait for the address as well.
 * Not zeroed.
 */
void *mem_table(size_t bytes);
/* Has the system give at once the pages that lie in it, all of which are about to be written: to be
 * asked for each as it is touched takes ten times as long. Yields between. The memory. */
void *mem_populate(void *memory, size_t bytes);
/* A copy of `string`, or NULL for NULL. */
char *mem_string(const char *string);
