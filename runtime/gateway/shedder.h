/*
 * shedder — refuses requests that matter less while a worker's loop is late.
 *
 * Told of each turn, it answers for each request; while it is late it looks at a clock now and
 * then. Nothing is refused for one long turn: the loop has to be late for a whole window without
 * catching up, or three of them. From then on a level, the share that is refused of all that is not
 * critical, follows the delay: it rises for as long as the loop is later than `lag_seconds`, falls
 * when it is not, and is the whole at `full_seconds`. Whom it meets: triage.h.
 *
 * One for each worker, as a connection cannot be moved to another one: a sibling with time to spare
 * is no help to one that is late, nor a sibling that is late a reason to refuse. What the workers
 * have learnt they share (shm/worker_board.h): one that begins, be it a successor of one that died
 * in the rush, begins at the share at which those have settled that refuse already. All see the
 * level and the delay of each; counts are the gateway's.
 */
#pragma once

#include "gateway/triage.h"
#include "net/loop_delay.h"

struct counter_table;
struct worker_board;
struct worker_place;

/* While it is late: a turn may be long, so it is looked at again after so many requests. */
#define SHEDDER_LOOK_REQUESTS 8

struct shedder_options {
    double lag_seconds;    /* how late is too late; 0: nobody sheds */
    double full_seconds;   /* so late, all but the critical is refused; more than lag_seconds */
    double window_seconds; /* so long it has to be late before it begins */
    bool is_report_only;   /* refuse nothing: log and count what would be */
};

/* What metrics tell apart; between two names it is the lower one. */
enum shedder_class { SHEDDER_LOW, SHEDDER_NORMAL, SHEDDER_HIGH, SHEDDER_CLASSES };

#define SHEDDER_NORMAL_MIN 50
#define SHEDDER_HIGH_MIN   75

struct shedder {
    struct shedder_options options;
    struct loop_delay delay;
    struct triage triage;
    bool is_watching; /* requests are counted: it is late, or sheds */
    bool is_shedding;
    double level;
    double settled;               /* the part of it that stays when the loop is just in time */
    double late_since, late_most; /* while it watches: since when, and how late it was at most */
    double watched_since;         /* ... without beginning anew */
    double calm_since;            /* while it sheds: since when it refuses nothing */
    double logged;                /* when a line of the log said that it begins */
    bool is_told;                 /* ... and none has said yet that it ends */
    uint64_t refused;             /* since it began */
    uint64_t *counts[SHEDDER_CLASSES]; /* in shared memory, or `own` */
    uint64_t own[SHEDDER_CLASSES];
    struct worker_place *place;       /* NULL: nobody sees it */
    const struct worker_board *board; /* where its siblings are seen; NULL: it has none */
    const double *turn;               /* when the turn that runs began; NULL: nobody knows */
    double (*clock)(void);            /* that it began by */
    unsigned requests;                /* since the last look */
};

/* Sheds nothing until it is configured. It may not move afterwards. */
void shedder_init(struct shedder *shedder);
/* Where its counts are, its level is seen, and those of its siblings are; borrowed. */
void shedder_show(struct shedder *shedder, const struct counter_table *counters,
                  struct worker_place *place, const struct worker_board *board);
/* It goes on from where it is, unless there is to be none. */
void shedder_configure(struct shedder *shedder, const struct shedder_options *options);

static inline bool shedder_is_on(const struct shedder *shedder)
{
    return shedder->options.lag_seconds > 0;
}

/* A turn of the loop has ended, which began then, on the clock of all processes; `behind`: see
 * loop_turns_behind(). */
void shedder_end_turn(struct shedder *shedder, double began, double seconds, double behind);

/* The rest of shedder_refuses(). */
bool shedder_weigh(struct shedder *shedder, unsigned criticality);

/* Whether a request that has come is refused; to be asked once. */
static inline bool shedder_refuses(struct shedder *shedder, unsigned criticality)
{
    return shedder->is_watching && shedder_weigh(shedder, criticality);
}

/* When who was refused may come again: the later the more is refused, and not all at a time. */
unsigned shedder_retry_seconds(struct shedder *shedder);
