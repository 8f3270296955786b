/*
 * segment — the memory that the master and all workers share.
 *
 * One anonymous file in memory, divided at start into named regions. It is
 * created by the master before it forks, mapped by everybody, and outlives any
 * process that dies; a later binary that gets the descriptor maps it again and
 * finds every region under its name, unless the layout changed. Nothing in it
 * is a pointer: each process may see it at another address.
 *
 * Regions are allotted by one process at a time, the master while it starts.
 * Killed in the middle, it leaves a region either whole or never begun.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define SEGMENT_BYTES_MIN      65536
#define SEGMENT_REGIONS_MAX    62
#define SEGMENT_NAME_BYTES_MAX 47
/* Regions begin on pages of their own, so that no two share a cache line. */
#define SEGMENT_PAGE_BYTES 4096

/* This process's view; embed it, and clear it when done. */
struct segment {
    char *memory; /* NULL: none */
    size_t bytes;
    int fd;
};

/* A segment of `bytes`, all zero. False with errno set when the system refuses. */
bool segment_init(struct segment *segment, size_t bytes);
/*
 * Maps the segment behind `fd`, and takes the descriptor over. False with errno
 * set, and the descriptor left alone, when the system refuses; errno is EPROTO
 * when this is no segment, or one whose layout this program does not know.
 */
bool segment_init_from_fd(struct segment *segment, int fd);
/* Unmaps, and closes the descriptor; other processes keep theirs. */
void segment_clear(struct segment *segment);

/*
 * The region `name` of `bytes`: the one that exists, or a new one, zeroed.
 * `layout` is the number of its owner's format. NULL when there is no room, or
 * when it exists with another size or layout. Aligned to a page.
 */
void *segment_allot(struct segment *segment, const char *name, uint32_t layout, size_t bytes);

/* Bytes not yet allotted. */
size_t segment_room(const struct segment *segment);
/* The secret that all tables in this segment hash with; the same in every process. */
const struct hash_key *segment_hash_key(const struct segment *segment);
