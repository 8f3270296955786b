/*
 * gate_limit — how many requests at once an upstream takes well, learnt from how fast it answers.
 *
 * What answers take is averaged over windows, and compared with what they usually take: when they
 * take longer than `tolerance` times as long, they wait for one another over there, and the limit
 * shrinks by that ratio; else it grows by its square root, but only while it is used. In one window
 * it changes by a fixed share at most. Requests that fail count as overload; those that fail fast
 * have no part in the averages.
 *
 * What is usual is learnt while the limit is not used, when nobody waits over there. Under constant
 * load that never happens, and what is usual may have changed. Then, now and then and after the
 * limit has shrunk much, it is lowered for a moment by about what it has beyond what is needed: if
 * answers come faster then, they had waited; if not, that is what is usual now. So much is let
 * through at that time as keeps the upstream busy, other than where a minimum is measured at a
 * handful of requests.
 *
 * Each word is changed by compare-and-swap alone, and true by itself: a process that is killed
 * between two of them loses a window.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GATE_LIMIT_MAX  65535
#define GATE_WINDOW_MIN 10 /* milliseconds */
#define GATE_WINDOW_MAX 60000

struct gate_limit {
    uint64_t standing; /* the limit, and whether it is lowered just now */
    uint64_t reviewed; /* what it was when it was last lowered */
};

struct gate_window {
    uint64_t tally;    /* what was seen in it */
    uint64_t averages; /* of what is usual, and of the last windows */
    uint64_t ends_ms;
};

struct gate_options {
    uint32_t min, max, initial; /* 1 to GATE_LIMIT_MAX */
    uint32_t window_ms;         /* at least GATE_WINDOW_MIN */
    double tolerance;           /* above 1 */
    bool is_report_only;        /* all are let through */
};

enum gate_outcome {
    GATE_WENT_WELL,
    GATE_OVERLOADED, /* it failed, or had no answer in time */
};

struct gate_sample {
    enum gate_outcome outcome;
    double seconds;  /* to the head of the answer, when it went well */
    uint64_t active; /* as gate_enter() told */
    uint64_t now_ms; /* of a monotonic clock that all processes share */
};

/* What is let through now. */
uint64_t gate_limit_now(const struct gate_limit *limit, const struct gate_options *options);
/* One more request is over. */
void gate_limit_learn(struct gate_limit *limit, struct gate_window *window,
                      const struct gate_options *options, const struct gate_sample *sample);
void gate_limit_forget(struct gate_limit *limit, struct gate_window *window);

/* For status; 0: nothing has been learnt. */
double gate_limit_learnt(const struct gate_limit *limit);
double gate_limit_usual(const struct gate_window *window);
double gate_limit_recent(const struct gate_window *window);
