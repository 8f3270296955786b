/*
 * lineup — those of a cluster's targets that get requests now, and how much of them each.
 *
 * Made anew when something that it rests on has changed: the options, what an operator or a probe
 * has said, who is set aside, or, while somebody starts slowly, the time. Until then choosing is
 * arithmetic on it.
 *
 * Targets stand in tiers: by priority, of one priority those of the gateway's zone first, backups
 * last. A tier of which enough can be used takes all requests. What it falls short of the next one
 * gets, as much as that can take; backups get requests only when nobody else can be used.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "upstream/lineup_rules.h"
#include "upstream/target.h"

struct lineup_entry {
    struct target *target;
    uint64_t end; /* of its part of [0, total) */
    uint32_t weight;
    uint32_t tier;
};

#define LINEUP_NOBODY UINT16_MAX

struct lineup {
    struct lineup_entry *entries;
    uint16_t *places; /* of each target of the cluster in entries, or LINEUP_NOBODY */
    size_t count, capacity;
    uint64_t total;     /* of weights */
    uint64_t stride;    /* see lineup_at_turn() */
    uint64_t changes;   /* of the cluster's words, when it was made */
    double valid_until; /* INFINITY while time changes nothing */
    double trial_at;    /* when the next one may be tried that is set aside; INFINITY: nobody is */
    unsigned last_tier; /* of those in it; later ones need not be tried */
    bool is_made, is_panic;
};

/* Room for so many targets; what was there is forgotten. */
void lineup_init(struct lineup *lineup, size_t capacity);
void lineup_clear(struct lineup *lineup);

/* Of `count` targets, as of `changes`; see ejection.h for `now`. */
void lineup_make(struct lineup *lineup, struct target *const *targets, size_t count,
                 const struct lineup_rules *rules, double now);
static inline bool lineup_is_current(const struct lineup *lineup, uint64_t changes, double now)
{
    return lineup->is_made && lineup->changes == changes && now < lineup->valid_until;
}

/* Whose part a number below `total` lies in. */
struct lineup_entry *lineup_at(const struct lineup *lineup, uint64_t number);
/*
 * Whose turn it is. In `total` turns in a row, wherever they begin, everybody has as many as its
 * weight says, and they are spread: each turn goes on by a stride that has no factor in common with
 * the total, and is near the golden section of it. So where the turns have come to is one number,
 * that all workers can share, and finding who it is takes no walk over the targets.
 */
struct lineup_entry *lineup_at_turn(const struct lineup *lineup, uint64_t turn);
/* Whether a request may find out how it is, of one that is set aside: not where probes know better,
 * or while its tier is not needed. */
bool lineup_may_try(const struct lineup *lineup, const struct target *target,
                    const struct lineup_rules *rules);
/* Whether an operator has not taken it out. */
bool lineup_is_in_service(const struct target *target);
/* Whether it may be asked at all, also where only a cookie sends requests there. */
bool lineup_may_serve(const struct target *target, const struct lineup_rules *rules);
