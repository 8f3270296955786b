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

void *mem_alloc(size_t bytes);
void *mem_zeroed(size_t bytes);
/* `count` times `bytes`, checked for overflow; zeroed. */
void *mem_zeroed_array(size_t count, size_t bytes);
/* Grows or shrinks `*pointer` (may be NULL); what was there moves along. */
void *mem_resize(void *pointer, size_t bytes);
/* A copy of `string`, or NULL for NULL. */
char *mem_string(const char *string);
