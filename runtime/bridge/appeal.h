/*
 * appeal — what Lua asks the master of its worker, and waits for: the library
 * "moongate.core.master".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct loop;

/* The master answers everything; this is for one that has stopped to. */
#define APPEAL_SECONDS_MAX 900.0
#define APPEALS_MAX        64

/* Those of one worker. */
struct appeals {
    struct loop *loop;
    struct list waiting;
    unsigned count;
    uint64_t last_ticket; /* no worker that takes this one's place counts on from it */
    /* Takes it to the master; false when that is impossible. */
    bool (*send)(void *data, uint64_t ticket, struct slice what);
    void *data;
};

void appeals_init(struct appeals *appeals, struct loop *loop,
                  bool (*send)(void *data, uint64_t ticket, struct slice what), void *data);
/* The master has answered; nothing happens when nobody waits for it any more. */
void appeals_answer(struct appeals *appeals, uint64_t ticket, bool is_done, struct slice text);
