/*
 * shared — all that the processes of one gateway share, in one segment.
 *
 * The master makes it before it forks, so every worker inherits this view with
 * the mapping; each then takes the lane of its number, in which its predecessor
 * wrote too. An upgraded gateway goes on in the same segment: there are two sides
 * of lanes, which gateways take in turn, so that new workers run beside the old
 * ones until those have drained. Memory that nobody touches costs nothing, so the
 * defaults are generous.
 */
#pragma once

#include "shm/answer_times.h"
#include "shm/breakers.h"
#include "shm/counter.h"
#include "shm/dict.h"
#include "shm/gates.h"
#include "shm/histogram.h"
#include "shm/limiter.h"
#include "shm/notice.h"
#include "shm/object_store.h"
#include "shm/plugin_accounts.h"
#include "shm/segment.h"
#include "shm/slots.h"
#include "shm/tallies.h"
#include "shm/target_board.h"
#include "shm/values.h"
#include "shm/worker_board.h"

#define SHARED_WORKERS_MAX 256
/* Lanes of a side: an upgrade may start so many workers, even where there were fewer before. */
#define SHARED_WORKERS_ROOM 32
/* For each of the options that are sizes. */
#define SHARED_BYTES_MIN DICT_BYTES_MIN
#define SHARED_BYTES_MAX PAGE_LOG_BYTES_MAX

#define SHARED_HISTOGRAMS_DEFAULT   16384
#define SHARED_LIMITS_BYTES_DEFAULT (16 << 20)
#define SHARED_DICT_BYTES_DEFAULT   (16 << 20)
#define SHARED_VALUE_BYTES_DEFAULT  (16 << 20)
#define SHARED_OBJECT_BYTES_DEFAULT (64 << 20)
/* `counters_bytes` holds so many counters for each histogram, with names, in the lanes of master
 * and workers. */
#define SHARED_COUNTERS_PER_HISTOGRAM 4
#define SHARED_NAME_BYTES_AVERAGE     96

struct shared_options {
    unsigned workers;
    /* 0: enough for SHARED_HISTOGRAMS_DEFAULT, or the default above. */
    size_t counters_bytes, limits_bytes, dict_bytes, value_bytes, object_bytes;
};

struct shared_origin;

struct shared {
    struct segment segment;
    struct counter_table counters;
    struct histogram_table histograms;
    struct limiter limiter;
    struct dict dict;
    struct tallies evicted; /* answers of the HTTP cache that gave way, by account */
    struct notice notice;   /* JSON of the master's: which generation runs, how reloads went */
    uint32_t loop_turns;    /* histogram of the time between two waits of the loop, all workers */
    unsigned side;          /* 0 or 1: whose lanes are ours */
    struct worker_board board;
    struct worker_place *place; /* this process's on the board */
    struct plugin_accounts accounts;
    struct slots slots;
    struct object_store objects; /* answers that the HTTP cache keeps */
    struct target_board targets;
    struct breakers breakers;
    struct gates gates;
    struct answer_times_table answer_times;
    struct values values; /* what plugins have found out with effort */
};

/* NULL with errno set when the system refuses, EINVAL for numbers out of bounds. */
struct shared *shared_create(const struct shared_options *options);
/*
 * What another gateway made, of the same sizes, on the side that is not `its_side`; takes the
 * descriptor over. NULL with a sentence in `*why`, and the descriptor left alone, when that is not
 * what would be made now.
 */
struct shared *shared_adopt(int fd, const struct shared_options *options, unsigned its_side,
                            const char **why);
void shared_destroy(struct shared **shared);
/* In a worker, before anything is counted: writes in that worker's lane (worker from 0). */
void shared_attach(struct shared *shared, unsigned worker);
/* In the master, after that worker was reaped: its gauges are zeroed, its place is cleared, the
 * slots that it held are given back, what it was storing is aborted, and it has no attempts at
 * targets, and no requests at gates, any more. */
void shared_forget_worker(struct shared *shared, unsigned worker);
/* In the master, when nobody of the other side is left: all gauges there are zeroed, their
 * places are cleared, their slots are given back. */
void shared_forget_other_side(struct shared *shared);
/* The worker whose lane it is; -1: of the other side, or none's. */
int shared_worker_of(const struct shared *shared, uint32_t lane);
/* That worker's place on the board. */
struct worker_place *shared_place(const struct shared *shared, unsigned worker);
/* One turn of the loop took that long. */
void shared_observe_turn(struct shared *shared, double seconds);
