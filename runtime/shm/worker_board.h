/*
 * worker_board — what each worker is doing just now, for a master that wonders.
 *
 * One place for each lane, on memory of its own. A place has one writer, the loop of its worker,
 * and every field is one word, except the two texts: those are read only of a worker that has stood
 * still for long. What a dead worker left is cleared by the master before it starts a successor.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "shm/segment.h"

/* Longer ones are cut. */
#define WORKER_PLACE_ROUTE_BYTES 128
#define WORKER_PLACE_LINES_BYTES 512

/* Which part of a plugin runs: bits, of which the first are those of gateway/route.h. */
enum worker_phase {
    WORKER_PHASE_NONE = 0, /* no Lua runs */
    WORKER_PHASE_REQUEST = 1,
    WORKER_PHASE_RESPOND = 2,
    WORKER_PHASE_RESPONSE = 4,
    WORKER_PHASE_RESPONSE_CHUNK = 8,
    WORKER_PHASE_RESPONSE_BODY = 16,
    WORKER_PHASE_LOG = 32,
    WORKER_PHASE_WHEN = 64,  /* a route's predicate */
    WORKER_PHASE_TASK = 128, /* what a plugin has spawned, timers among it */
    WORKER_PHASE_START = 256,
    WORKER_PHASE_STOP = 512
};

/* Phase and plugin in one word. A plugin is a number of plugin_accounts.h, 0: none. */
#define WORKER_STEP(phase, plugin) ((uint32_t)(phase) << 16 | (uint32_t)(plugin))
#define WORKER_STEP_PHASE(step)    ((enum worker_phase)((step) >> 16))
#define WORKER_STEP_PLUGIN(step)   ((step)&0xffffU)

/* How far a worker has come. */
enum worker_state { WORKER_STARTING, WORKER_SERVING, WORKER_DRAINING };

struct worker_place {
    double turn_started; /* monotonic seconds: when the loop's turn began that runs; 0: it waits */
    uint64_t generation; /* whose Lua ran last */
    uint64_t current;    /* the generation of new requests; 0: none yet */
    uint64_t route_key;  /* whatever tells the route of `route` from others; 0: none */
    uint32_t step;       /* WORKER_STEP() */
    uint32_t route_length, lines_length;
    int32_t pid;                          /* 0: nobody is there */
    uint32_t state;                       /* enum worker_state */
    double delay_seconds;                 /* how late its loop is; 0 where nobody wants to know */
    double shed_level;                    /* 0 to 1: the share that it refuses */
    double shed_settled;                  /* the part of it that its siblings begin with */
    char route[WORKER_PLACE_ROUTE_BYTES]; /* its name */
    char lines[WORKER_PLACE_LINES_BYTES]; /* where Lua is, the innermost first: once asked for */
    char unused[48];                      /* no two places in one cache line */
};
_Static_assert(sizeof(struct worker_place) % 128 == 0, "places begin at cache lines");

/* This process's view. */
struct worker_board {
    struct worker_place *places;
    uint32_t lanes;
};

/* What a place says. */
struct worker_sight {
    uint64_t generation;
    enum worker_phase phase;
    uint32_t plugin;
    struct slice route, lines; /* of the shared memory; empty: none */
};

size_t worker_board_bytes(uint32_t lanes);
/* False when the segment refuses it. */
bool worker_board_init(struct worker_board *board, struct segment *segment, uint32_t lanes);
struct worker_place *worker_board_place(const struct worker_board *board, uint32_t lane);

/* For the worker, which may be stopped between any two stores. */

static inline void worker_place_set_step(struct worker_place *place, uint32_t step)
{
    __atomic_store_n(&place->step, step, __ATOMIC_RELAXED);
}

static inline uint32_t worker_place_step(const struct worker_place *place)
{
    return __atomic_load_n(&place->step, __ATOMIC_RELAXED);
}

void worker_place_set_pid(struct worker_place *place, int pid);
void worker_place_set_state(struct worker_place *place, enum worker_state state);
void worker_place_set_current(struct worker_place *place, uint64_t generation);
/* See the fields of these names. */
void worker_place_set_load(struct worker_place *place, double delay_seconds, double shed_level,
                           double shed_settled);
/* `key` 0: no route. Copies the name only where it is another one than before. */
void worker_place_set_route(struct worker_place *place, uint64_t key, struct slice name);
void worker_place_set_lines(struct worker_place *place, struct slice lines);

/* Where those settled that shed load just now, but for the one of `place`, on average: 0 to 1, 0
 * where none does. */
double worker_board_shed_settled(const struct worker_board *board,
                                 const struct worker_place *place);

/* For whoever wants to know. */

struct worker_outline {
    int pid; /* 0: nobody is there, and nothing else is known */
    enum worker_state state;
    uint64_t generation; /* of new requests */
    double delay_seconds, shed_level;
};
struct worker_outline worker_place_outline(const struct worker_place *place);
/* "serving", and so on. */
const char *worker_state_name(enum worker_state state);

/* For the master. */

/* When the turn began that runs, 0: the worker waits. */
double worker_place_turn(const struct worker_place *place);
/* Forgets what was said before of where Lua is. */
void worker_place_ask(struct worker_place *place);
struct worker_sight worker_place_read(const struct worker_place *place);
/* After its worker has ended. */
void worker_place_clear(struct worker_place *place);

/* "request", and so on; "" for WORKER_PHASE_NONE. */
const char *worker_phase_name(enum worker_phase phase);
