/*
 * generation_clusters — an open table of indices, and the way of each cluster into service.
 */
#include "bridge/generation_clusters.h"

#include <assert.h>

#include "base/mem.h"
#include "bridge/generation_private.h"

/* So many are prepared in one turn of the loop. */
#define PREPARED_PER_TURN 512

#define PLACE_FREE UINT32_MAX

static uint32_t place_after(const struct generation_cluster_index *index, uint32_t place)
{
    return (place + 1) & (index->count - 1);
}

static uint32_t first_place(const struct generation_cluster_index *index, struct slice name)
{
    return cluster_hash(name) & (index->count - 1);
}

void generation_clusters_index(struct generation *generation)
{
    struct generation_cluster_index *index = &generation->cluster_index;

    index->count = 1;
    while (index->count < 2 * generation->cluster_count)
        index->count *= 2;
    index->places = mem_alloc(index->count * sizeof(*index->places));
    for (uint32_t i = 0; i < index->count; i++)
        index->places[i] = PLACE_FREE;
    for (uint32_t i = 0; i < generation->cluster_count; i++) {
        uint32_t place = first_place(index, generation->clusters[i].options.name);
        while (index->places[place] != PLACE_FREE)
            place = place_after(index, place);
        index->places[place] = i;
    }
}

int generation_clusters_find(const struct generation *generation, struct slice name)
{
    const struct generation_cluster_index *index = &generation->cluster_index;

    if (generation->cluster_count == 0)
        return -1;
    for (uint32_t place = first_place(index, name); index->places[place] != PLACE_FREE;
         place = place_after(index, place)) {
        uint32_t found = index->places[place];
        if (slice_equals(generation->clusters[found].options.name, name))
            return (int)found;
    }
    return -1;
}

bool generation_clusters_prepare(struct generation *generation)
{
    struct clusters *clusters = generation->services->clusters;

    for (int i = 0; i < PREPARED_PER_TURN; i++) {
        if (generation->prepared_count == generation->cluster_count)
            return false;
        struct generation_cluster *one = &generation->clusters[generation->prepared_count++];
        one->cluster = clusters_prepare(clusters, &one->options, &one->is_outdated);
    }
    return generation->prepared_count < generation->cluster_count;
}

void generation_clusters_enforce(struct generation *generation)
{
    assert(generation->prepared_count == generation->cluster_count);
    for (uint32_t i = 0; i < generation->cluster_count; i++) {
        struct generation_cluster *one = &generation->clusters[i];
        if (one->is_outdated)
            cluster_configure(one->cluster, &one->options);
        one->is_outdated = false;
    }
}

void generation_clusters_release(struct generation *generation)
{
    while (generation->prepared_count > 0)
        cluster_release(&generation->clusters[--generation->prepared_count].cluster);
}
