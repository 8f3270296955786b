/*
 * call_breaker — a circuit breaker that calls pass: which one, and what it takes for a failure.
 *
 * One call is one request to it, however many attempts there are. It failed when no attempt had an
 * answer through no fault of the client's, or when the answer's status is 500 or above; it was slow
 * when the head of its answer took longer than `slow_seconds`. What becomes of the body after that
 * does not count.
 */
#pragma once

#include "shm/breakers.h"

struct call_breaker_options {
    struct breaker_options numbers;
    double slow_seconds; /* 0: none is slow */
    bool is_report_only; /* what it refuses goes all the same, and is only counted */
};

/* Embed it; zeroed: there is none. */
struct call_breaker {
    struct call_breaker_options options;
    const char *name; /* "upstream:orders"; NULL: none */
    uint32_t number;  /* in the table of breakers, once `has_number` */
    bool has_number;
};

/* Takes other options, which are copied; NULL: none from now on. `kind` is "upstream:" or
 * "route:". */
void call_breaker_configure(struct call_breaker *breaker, const char *kind, struct slice name,
                            const struct call_breaker_options *options);
/* Whether it has these options. */
bool call_breaker_is(const struct call_breaker *breaker,
                     const struct call_breaker_options *options);
void call_breaker_clear(struct call_breaker *breaker);
