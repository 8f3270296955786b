/*
 * prober — asks targets at intervals whether they are well, for all workers.
 *
 * Each worker has one, and one of them at a time asks: who holds a lease in shared memory. It
 * extends it with every look; when its worker dies the master ends it, when it is stuck it runs
 * out, and whoever looks next takes over. What is found out stands in shared memory, so that all
 * know it at once and it outlives them. A worker none of whose upstreams is probed has no timer for
 * it.
 */
#pragma once

#include <stddef.h>

struct clusters;
struct http_session_limits;
struct loop;
struct prober;
struct resolver;

/* So many probes at a time. */
#define PROBER_RUNNING_MAX 256

/* For those that the clusters of `clusters` have. */
struct prober *prober_create(struct clusters *clusters, const struct http_session_limits *limits);
/* What runs ends; before the clusters go. */
void prober_destroy(struct prober **prober);
/* What is probed may have changed. */
void prober_look(struct prober *prober);
