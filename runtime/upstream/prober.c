/*
 * prober — the lease, and which target is due.
 */
#include "upstream/prober.h"

#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/timeout.h"
#include "upstream/cluster_parts.h"
#include "upstream/probe.h"
#include "upstream/probe_verdict.h"

/* How often it is looked who is due, and by the others whether somebody looks. */
#define LOOK_SECONDS  0.1
#define WATCH_SECONDS 0.5
#define LEASE_SECONDS 2.0
/* Targets that were not probed before are within this time, so that not all are at once. */
#define FIRST_SECONDS 1.0

struct prober {
    struct clusters *clusters;
    struct clusters *own; /* each with one target, while it is probed */
    struct timeout timeout;
    struct list running;
    size_t running_count;
};

static double between_0_and_1(struct prober *prober)
{
    return (double)(clusters_random(prober->clusters) >> 11) * 0x1p-53;
}

static double next_interval(struct prober *prober, const struct probe_options *options)
{
    return options->interval * (1 + options->jitter * (2 * between_0_and_1(prober) - 1));
}

static void count(const struct probe_subject *subject, bool is_well)
{
    struct target_words *words = subject->target->words;

    __atomic_fetch_add(&words->probed, 1, __ATOMIC_RELAXED);
    if (!is_well)
        __atomic_fetch_add(&words->probed_ill, 1, __ATOMIC_RELAXED);
}

static void tell(const struct probe_subject *subject, bool is_well, const char *why)
{
    struct slice name = subject->cluster->name, target = subject->target->text;

    if (is_well)
        log_write(LOG_INFO, "upstream \"%.*s\": %.*s is up", SLICE_FORMAT(name),
                  SLICE_FORMAT(target));
    else
        log_write(LOG_WARNING, "upstream \"%.*s\": %.*s is down: %s", SLICE_FORMAT(name),
                  SLICE_FORMAT(target), why);
}

static void on_done(void *data, const struct probe_subject *subject, bool is_well, const char *why)
{
    struct prober *prober = data;
    struct cluster *cluster = subject->cluster;
    struct target *target = subject->target;
    const struct probe_options *options = &cluster->probe_options;
    double now = loop_uptime(cluster->clusters->loop);
    uint64_t *word = &target->words->probes;
    bool was_down = probe_verdict_state(*word) == PROBE_DOWN;

    prober->running_count--;
    target->is_probed = false;
    target->probe_at = now + next_interval(prober, options);
    count(subject, is_well);
    if (!probe_verdict_add(word, is_well, options->rise, options->fall, now))
        return;
    if (is_well && was_down)
        cluster_welcome(cluster, target, now);
    else
        cluster_note_change(cluster);
    if (!is_well || was_down)
        tell(subject, is_well, why);
}

static void probe_target(struct prober *prober, struct cluster *cluster, struct target *target,
                         double now)
{
    const struct probe_options *options = &cluster->probe_options;
    const struct probe_subject subject = {prober->own, &prober->running, cluster, target};
    double first = options->interval < FIRST_SECONDS ? options->interval : FIRST_SECONDS;

    if (target->is_probed)
        return;
    if (target->probe_at == 0)
        target->probe_at = now + first * between_0_and_1(prober);
    if (now < target->probe_at || prober->running_count == PROBER_RUNNING_MAX)
        return;
    target->is_probed = true;
    prober->running_count++;
    probe_start(&subject, on_done, prober);
}

static void probe_cluster(struct prober *prober, struct cluster *cluster, double now)
{
    if (cluster->probe_options.kind == PROBE_NONE)
        return;
    for (size_t i = 0; i < cluster->target_count; i++)
        probe_target(prober, cluster, cluster->targets[i], now);
}

static bool is_wanted(const struct prober *prober)
{
    const struct list *all = &prober->clusters->all;

    for (const struct list *at = all->next; at != all; at = at->next) {
        if (CONTAINER_OF(at, struct cluster, node)->probe_options.kind != PROBE_NONE)
            return true;
    }
    return false;
}

static bool may_probe(const struct prober *prober, double now)
{
    const struct target_board *board = prober->clusters->board;
    return board == NULL || target_board_claim_prober(board, now, LEASE_SECONDS);
}

void prober_look(struct prober *prober)
{
    struct list *all = &prober->clusters->all;
    double now = loop_uptime(prober->clusters->loop);

    if (!is_wanted(prober)) {
        timeout_clear(&prober->timeout);
        return;
    }
    bool is_holder = may_probe(prober, now);
    for (struct list *at = all->next; is_holder && at != all; at = at->next)
        probe_cluster(prober, CONTAINER_OF(at, struct cluster, node), now);
    timeout_set(&prober->timeout, is_holder ? LOOK_SECONDS : WATCH_SECONDS);
}

static void on_time(void *data)
{
    prober_look(data);
}

struct prober *prober_create(struct clusters *clusters, const struct http_session_limits *limits)
{
    struct prober *prober = mem_zeroed(sizeof(*prober));

    prober->clusters = clusters;
    prober->own = clusters_create(clusters->loop, clusters->resolver, limits);
    list_init(&prober->running);
    timeout_init(&prober->timeout, clusters->loop, on_time, prober);
    return prober;
}

void prober_destroy(struct prober **prober)
{
    struct prober *gone = *prober;

    *prober = NULL;
    timeout_stop(&gone->timeout);
    probe_cancel_all(&gone->running);
    clusters_destroy(&gone->own);
    free(gone);
}
