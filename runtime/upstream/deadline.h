/*
 * deadline — how a field of a request says how much time is left for it.
 *
 * Strict and bounded: a value that is not exactly of its form is none. What is said to an upstream
 * is rounded down, so that it never hears of more time than there is.
 */
#pragma once

#include "http/headers.h"

enum deadline_format {
    DEADLINE_SECONDS,      /* "1.5": at most ten digits, and nine behind a point */
    DEADLINE_MILLISECONDS, /* "1500": at most twelve digits */
    DEADLINE_GRPC,         /* "1500m": at most eight digits, and a unit of H, M, S, m, u, n */
    DEADLINE_UNIX          /* "1790000000.5": a time, as seconds since 1970 */
};

struct deadline_field {
    struct header_key key;
    enum deadline_format format;
};

/* What of a request's time a call has to know. */
struct call_deadline {
    const struct deadline_field *field; /* tells upstreams what is left; NULL: they are not told */
    double at;            /* when it is over, of loop_monotonic(); 0: it ends with the call's */
    double seconds_least; /* with less left no attempt is begun */
};

/* `clock` is loop_now(). False: it is not of that form. What is left may be 0 or below. */
bool deadline_read(enum deadline_format format, struct slice text, double clock, double *left);
/* What is left, above 0; in the arena. */
struct slice deadline_write(enum deadline_format format, double left, double clock,
                            struct arena *arena);
