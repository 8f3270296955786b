/*
 * probe — one question to one target whether it is well.
 *
 * Goes over a connection of its own, made as requests make theirs (name, TLS, protocol), and is no
 * request of the upstream: no pool, no retry, no count of attempts.
 */
#pragma once

#include "base/list.h"
#include "upstream/cluster.h"
#include "upstream/probe_options.h"
#include "upstream/target.h"

struct probe_subject;

/* `why` is a text when it is not well, else NULL. The probe is gone after that. */
typedef void probe_done(void *data, const struct probe_subject *subject, bool is_well,
                        const char *why);

struct probe_subject {
    struct clusters *clusters; /* of probes alone */
    struct list *running;      /* it is in there as long as it lasts */
    struct cluster *cluster;
    struct target *target;
};

/* `done` is called once, maybe before this returns, unless it is cancelled before. References are
 * held until then. */
void probe_start(const struct probe_subject *subject, probe_done *done, void *data);
/* All of a list. */
void probe_cancel_all(struct list *running);
