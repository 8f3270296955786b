/*
 * clusters — the clusters of one worker by name, each as long as somebody refers to it.
 */
#include <assert.h>

#include "base/mem.h"
#include "upstream/cluster_parts.h"

#define BUCKETS_MIN 256

struct clusters *clusters_create(struct loop *loop, struct resolver *resolver,
                                 const struct http_session_limits *limits)
{
    struct clusters *clusters = mem_zeroed(sizeof(*clusters));
    struct hash_key seed;

    clusters->loop = loop;
    clusters->resolver = resolver;
    clusters->limits = *limits;
    hash_key_init(&seed);
    clusters->random = seed.low | 1;
    clusters->bucket_count = BUCKETS_MIN;
    clusters->buckets = mem_zeroed_array(BUCKETS_MIN, sizeof(struct cluster *));
    list_init(&clusters->all);
    list_init(&clusters->admissions);
    return clusters;
}

void clusters_share(struct clusters *clusters, const struct counter_table *counters,
                    const struct target_board *board)
{
    assert(clusters->count == 0);
    clusters->counters = counters;
    clusters->board = board;
}

void clusters_break_in(struct clusters *clusters, const struct breakers *breakers)
{
    assert(clusters->count == 0);
    clusters->breakers = breakers;
}

void clusters_admit_in(struct clusters *clusters, const struct gates *gates)
{
    assert(clusters->count == 0);
    admissions_listen(clusters, gates);
}

void clusters_learn_in(struct clusters *clusters, const struct answer_times_table *times)
{
    assert(clusters->count == 0);
    clusters->times = times;
}

void clusters_limit(struct clusters *clusters, const struct http_session_limits *limits)
{
    clusters->limits = *limits;
}

/* xorshift64*: nobody gains from guessing it. */
uint64_t clusters_random(struct clusters *clusters)
{
    uint64_t state = clusters->random;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    clusters->random = state;
    return state * 0x2545f4914f6cdd1dULL;
}

static struct cluster **bucket_of(struct clusters *clusters, struct slice name)
{
    return &clusters->buckets[cluster_hash(name) & (clusters->bucket_count - 1)];
}

/* Twice as many, once there is one for each cluster. */
static void grow(struct clusters *clusters)
{
    struct cluster **old = clusters->buckets;
    size_t old_count = clusters->bucket_count;

    clusters->bucket_count *= 2;
    clusters->buckets = mem_zeroed_array(clusters->bucket_count, sizeof(struct cluster *));
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct cluster *cluster = old[i], **bucket = bucket_of(clusters, cluster->name);
            old[i] = cluster->next;
            cluster->next = *bucket;
            *bucket = cluster;
        }
    }
    free(old);
}

/* Where the pointer to that cluster is, or would be. */
static struct cluster **place_of(struct clusters *clusters, struct slice name)
{
    struct cluster **place = bucket_of(clusters, name);
    while (*place != NULL && !slice_equals((*place)->name, name))
        place = &(*place)->next;
    return place;
}

struct cluster *clusters_find(struct clusters *clusters, struct slice name)
{
    return *place_of(clusters, name);
}

static void settle(struct cluster *cluster, bool is_unshared)
{
    const struct target_board *board = is_unshared ? NULL : cluster->clusters->board;

    cluster->board = board;
    cluster->words = &cluster->own;
    cluster->active = cluster->own_active;
    if (board == NULL)
        return;
    cluster->row = target_board_hold(board, cluster->name, SLICE_NONE);
    if (cluster->row == NAME_NONE)
        return;
    cluster->words = target_board_words(board, cluster->row);
    cluster->active = series_mine(&board->active, cluster->row);
}

void cluster_settle_budget(const struct cluster *cluster, struct retry_budget *budget,
                           enum target_board_word word, uint64_t *taken)
{
    struct retry_budget_home home = {
        .lane = cluster->active + word,
        .lanes = cluster->row != NAME_NONE ? &cluster->board->active : NULL,
        .row = cluster->row,
        .word = word,
    };

    home.taken = taken;
    retry_budget_settle(budget, &home);
}

static struct cluster *create(struct clusters *clusters, const struct cluster_options *options)
{
    struct slice name = options->name;
    struct cluster *cluster = mem_zeroed(sizeof(*cluster));

    if (clusters->count++ == clusters->bucket_count)
        grow(clusters);
    cluster->name = slice_of(slice_to_string(name), name.length);
    cluster->clusters = clusters;
    settle(cluster, options->is_unshared);
    cluster_settle_budget(cluster, &cluster->retry_budget, TARGET_BOARD_RETRIABLE,
                          cluster->words->retries);
    series_add(&cluster->active[TARGET_BOARD_USERS], 1);
    list_push_back(&clusters->all, &cluster->node);
    *place_of(clusters, name) = cluster;
    return cluster;
}

static void cluster_free(struct cluster *cluster)
{
    struct cluster **place = place_of(cluster->clusters, cluster->name);
    assert(*place == cluster);
    *place = cluster->next;
    list_remove(&cluster->node);
    cluster->clusters->count--;
    cluster_clear(cluster);
    series_add(&cluster->active[TARGET_BOARD_USERS], (uint64_t)-1);
    if (cluster->row != NAME_NONE)
        target_board_release(cluster->board, cluster->row);
    free((char *)cluster->name.start);
    free(cluster);
}

struct cluster *clusters_prepare(struct clusters *clusters, const struct cluster_options *options,
                                 bool *is_outdated)
{
    struct cluster *cluster = clusters_find(clusters, options->name);

    *is_outdated = cluster != NULL && !cluster_is(cluster, options);
    if (cluster == NULL) {
        cluster = create(clusters, options);
        cluster_configure(cluster, options);
    }
    return cluster_acquire(cluster);
}

struct cluster *clusters_acquire(struct clusters *clusters, const struct cluster_options *options)
{
    bool is_outdated;
    struct cluster *cluster = clusters_prepare(clusters, options, &is_outdated);

    if (is_outdated)
        cluster_configure(cluster, options);
    return cluster;
}

struct cluster *cluster_acquire(struct cluster *cluster)
{
    cluster->references++;
    return cluster;
}

void cluster_release(struct cluster **cluster)
{
    struct cluster *released = *cluster;
    *cluster = NULL;
    assert(released->references > 0);
    if (--released->references == 0)
        cluster_free(released);
}

void clusters_destroy(struct clusters **clusters)
{
    assert(list_is_empty(&(*clusters)->all));
    admissions_unlisten(*clusters);
    free((*clusters)->buckets);
    free(*clusters);
    *clusters = NULL;
}

void clusters_inspect(struct clusters *clusters, void (*each)(void *data, struct cluster *cluster),
                      void *data)
{
    for (struct list *at = clusters->all.next; at != &clusters->all; at = at->next)
        each(data, CONTAINER_OF(at, struct cluster, node));
}
