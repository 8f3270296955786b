/*
 * background — one thread for work that would hold up the loop: building and freeing what is large,
 * waiting for a disk.
 *
 * Jobs run one after the other, in the order they came. The thread begins with the first and ends
 * with the last: in a process of one thread the kernel need not count who uses a descriptor, which
 * every read and write would pay for. All signals are blocked in it.
 */
#pragma once

#include "net/loop.h"

struct background;

enum background_kind {
    /*
     * For what takes the processor for long. The thread is scheduled as idle (base/priority.h), so
     * that the loop goes first, and yields (base/yielding.h); when jobs have waited for
     * priority_patience(), it gets its share until all are done. Where the system would not let it
     * be raised again, it has a small share from the start to the end.
     */
    BACKGROUND_IDLE,
    BACKGROUND_PROMPT /* for what somebody waits for, and mostly waits itself: like any thread */
};

/* Part of its owner's struct, who may not free it before `done`. */
struct background_job {
    struct background_job *next;
    void (*work)(struct background_job *job); /* on the thread */
    void (*done)(struct background_job *job); /* on the loop, later; may free the job */
};

/* Does not keep the loop running. */
struct background *background_create(struct loop *loop, enum background_kind kind);
/* How long jobs may take, when none has been done yet: so many seconds of CPU. */
void background_expect(struct background *background, double cpu_seconds);
/* Waits until all jobs are done, which they are not at others' leisure any more, and calls `done`
 * of each. */
void background_destroy(struct background **background);
/* From the loop's thread. `work` and `done` are set. */
void background_submit(struct background *background, struct background_job *job);
