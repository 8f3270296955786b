/*
 * notice — a text that one process, the master, puts up for all workers to read.
 *
 * Two slots, of which a word names the one that counts: the writer fills the other one, then
 * changes the word, so a reader never waits, and a writer that is killed anywhere leaves the text
 * of before. A reader that is overtaken twice while it copies begins again.
 */
#pragma once

#include "shm/segment.h"

#define NOTICE_BYTES_MAX ((size_t)60000)

struct notice_page;

/* This process's view. */
struct notice {
    struct notice_page *page;
    char *copy; /* of what was read last, NOTICE_BYTES_MAX; made with the first reading */
};

size_t notice_bytes(void);
/* False when the segment has no room. */
bool notice_init(struct notice *notice, struct segment *segment, const char *name);
void notice_clear(struct notice *notice);

/* Only ever by one process. False, with the text of before still up, when it is too long. */
bool notice_publish(const struct notice *notice, struct slice text);
/* Valid until the next reading; empty when nothing has been published. */
struct slice notice_read(struct notice *notice);
