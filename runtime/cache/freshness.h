/*
 * freshness — how old an answer is, and for how long it may be used (RFC 9111, 4.2).
 *
 * Times are wall-clock seconds since the epoch (loop_now), as those of messages are; a clock that
 * was set back makes nobody younger than on arrival.
 */
#pragma once

#include "cache/cache_control.h"
#include "cache/cache_policy.h"
#include "http/message.h"

enum freshness_flag {
    FRESHNESS_MUST_REVALIDATE = 1, /* never used stale: must-, proxy-revalidate, s-maxage */
    FRESHNESS_NO_CACHE = 2,        /* never used without validation */
    FRESHNESS_IS_HEURISTIC = 4,
    FRESHNESS_IS_IMMUTABLE = 8,
    FRESHNESS_IS_EXPLICIT = 16 /* the answer said its lifetime itself */
};

/* Plain data: stored as it is. */
struct freshness {
    double received;    /* when the response's head came: response_time */
    double initial_age; /* corrected_initial_age: how old it was then */
    double lifetime;
    /* After the lifetime, each from its end: 0 where it is not allowed. */
    double stale_while_revalidate, stale_if_error, keep;
    uint32_t flags; /* of enum freshness_flag */
    uint32_t reserved;
};

/* When the request for an answer was sent, and when its head came. */
struct cache_times {
    double requested, received;
};

void freshness_of(struct freshness *freshness, const struct cache_policy *policy,
                  const struct response *response, const struct cache_control *control,
                  struct cache_times times);

/* current_age. */
double freshness_age(const struct freshness *freshness, double now);
/* Of the lifetime; negative once it is stale. */
static inline double freshness_left(const struct freshness *freshness, double now)
{
    return freshness->lifetime - freshness_age(freshness, now);
}
/* How long from `now` it may be of any use, for the store. */
double freshness_kept(const struct freshness *freshness, double now);

/* What an Age field says (RFC 9111, 5.1): 0 without one, CACHE_SECONDS_MAX when it is not one
 * number. */
int64_t freshness_age_field(const struct headers *headers);
/* The time in Date, `received` without a valid one. */
int64_t freshness_date(const struct headers *headers, double received);
