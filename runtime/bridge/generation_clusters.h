/*
 * generation_clusters — the upstreams of one generation: found by name, prepared, put into force.
 */
#pragma once

#include "base/slice.h"

struct generation;

/* When all have been added, in whatever thread. */
void generation_clusters_index(struct generation *generation);
/* The index of that upstream among the configuration's, or -1. */
int generation_clusters_find(const struct generation *generation, struct slice name);

/* Takes references to the worker's clusters of their names, some with each call; true when there
 * are more to come. What runs is not changed. */
bool generation_clusters_prepare(struct generation *generation);
/* What the configuration says of them holds from now on. */
void generation_clusters_enforce(struct generation *generation);
void generation_clusters_release(struct generation *generation);
