/*
 * balancer — which of a cluster's targets the next attempt goes to.
 *
 * Chooses from the lineup by the cluster's method. Whom it chose and cannot have, since it was
 * tried or has no room for a connection, another one stands in for. Never says "none" only because
 * nobody is well, for a wrong guess about health must not be an outage.
 */
#pragma once

#include "upstream/target.h"

struct cluster;

struct balancer_choice {
    double now; /* see ejection.h */
    /* By the same call: again only if there is no other. Compared, not looked into. */
    struct target *const *tried;
    size_t tried_count;
    bool is_extra;   /* only one that was not tried, and none that is set aside */
    uint64_t key;    /* of consistent hashing; 0: none, then they take turns */
    uint64_t sticky; /* which target a cookie has named; 0: none */
};

/*
 * NULL only when no target may take another connection, or is in service; for an extra one also
 * when there is no other. `*is_trial`: the attempt
 * is the one that tries whether the target, which is set aside, is well again.
 */
struct target *balancer_pick(struct cluster *cluster, const struct balancer_choice *choice,
                             bool *is_trial);
