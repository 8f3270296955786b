/*
 * balancer — which of a cluster's targets the next attempt goes to.
 *
 * Cost: a walk over the targets. Never says "none" only because all are set aside: then the
 * one whose time ends soonest is tried, for a wrong guess about health must not be an outage.
 */
#pragma once

#include "upstream/target.h"

struct balancer_choice {
    enum cluster_balance balance;
    double now;
    /* By the same call: again only if there is no other. Compared, not looked into. */
    struct target *const *tried;
    size_t tried_count;
};

/* NULL only when no target may take another connection (or there are none). */
struct target *balancer_pick(struct target *const *targets, size_t count,
                             const struct balancer_choice *choice);
