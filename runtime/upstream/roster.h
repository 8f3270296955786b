/*
 * roster — the targets on the board that some worker has in an upstream, for who looks at them or
 * changes them from outside: the admin API in a worker, the command line in the master.
 */
#pragma once

#include "base/buffer.h"
#include "shm/target_board.h"
#include "upstream/overlay.h"
#include "upstream/probe_verdict.h"
#include "upstream/retry_budget.h"

struct roster_row {
    struct slice upstream, url;
    struct overlay overlay;
    enum probe_state probes; /* as far as somebody has probed it */
    bool is_set_aside;
    uint64_t active; /* attempts under way */
};

/*
 * In no order; `*cursor` begins at 0. False when there are no more. The names are valid until it
 * goes on: the row is held meanwhile, so go on until there are no more.
 */
bool roster_next(const struct target_board *board, uint32_t *cursor, struct roster_row *row);

/* Likewise the upstreams. */
bool roster_next_upstream(const struct target_board *board, uint32_t *cursor,
                          struct slice *upstream);

/* What was taken from an upstream's budgets in their window, and requests they are shares of. */
struct roster_budgets {
    struct retry_budget_state retries, hedges;
    uint64_t retries_refused; /* since it is there */
};

/* `now`: of the clock that all processes share. False: there is no such upstream. */
bool roster_budgets_of(const struct target_board *board, struct slice upstream, double now,
                       struct roster_budgets *budgets);

enum roster_action {
    ROSTER_DRAIN,
    ROSTER_DISABLE,
    ROSTER_ENABLE, /* the weight stays as it was said */
    ROSTER_WEIGHT,
    ROSTER_RESET, /* as configured */
    ROSTER_FIND   /* nothing changes */
};

struct roster_change {
    struct slice upstream, target; /* its URL, or what is behind "//" in it */
    enum roster_action action;
    unsigned weight; /* of ROSTER_WEIGHT: 1 to 1000 */
    double now;      /* of the clock of ejection.h */
};

enum roster_outcome { ROSTER_DONE, ROSTER_NO_UPSTREAM, ROSTER_NO_TARGET };

/* For all workers, until it is changed again. When there is no such name, `*nearest` is the one
 * that is most like it, of the board, until the next call, or SLICE_NONE. */
enum roster_outcome roster_apply(const struct target_board *board,
                                 const struct roster_change *change, struct slice *nearest);
/* "drain" and so on; false when it is none. */
bool roster_action_of(struct slice name, enum roster_action *action);
