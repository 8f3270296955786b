/*
 * draft_cluster — an upstream of the configuration: kept as options until the commit acquires it.
 */
#include "base/mem.h"
#include "bridge/draft.h"
#include "bridge/exports.h"
#include "crypto/sha256.h"
#include "gateway/protocols.h"
#include "net/tls_registry.h"

static const struct cluster_target_options *finish_targets(struct generation *generation,
                                                           size_t *count)
{
    struct draft *draft = generation->draft;
    struct cluster_target_options *targets =
        arena_zeroed(&generation->arena, (draft->entry_count + 1) * sizeof(*targets));

    *count = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        const struct draft_entry *entry = &draft->entries[i];
        if (entry->which != MOON_BUILD_TARGET)
            continue;
        targets[(*count)++] = (struct cluster_target_options){
            .host = arena_copy(&generation->arena, entry->value),
            .port = (uint16_t)entry->port,
            .weight = (unsigned)entry->weight,
            .priority = (unsigned)entry->priority,
            .is_tls = entry->is_tls != 0,
            .is_backup = entry->is_backup != 0,
            .is_remote = entry->is_remote != 0,
        };
    }
    return targets;
}

/* Or may have one. */
static bool has_tls_target(const struct cluster_options *options)
{
    if (options->is_discovered)
        return true;
    for (size_t i = 0; i < options->target_count; i++) {
        if (options->targets[i].is_tls)
            return true;
    }
    return false;
}

/* Makes something of certificates now, so that a wrong one is an error of the configuration. */
static bool finish_tls(struct generation *generation, struct cluster_options *options)
{
    struct draft *draft = generation->draft;
    char error[TLS_CONTEXT_ERROR_BYTES];
    struct tls_client_options tls = {
        .verify = draft_number(draft, MOON_BUILD_TLS_VERIFY, 1) != 0,
    };

    if (!has_tls_target(options))
        return true;
    if (!draft_pem(generation, draft->texts[MOON_BUILD_TLS_CA], &tls.authority) ||
        !draft_pem(generation, draft->texts[MOON_BUILD_TLS_KEY], &tls.identity.key) ||
        !draft_pem(generation, draft->texts[MOON_BUILD_TLS_CERTIFICATE], &tls.identity.certificate))
        return false;
    options->tls = tls_registry_client(&tls, options->name, error);
    if (options->tls == NULL)
        draft->error = arena_copy(&draft->scratch, slice_from_string(error));
    return options->tls != NULL;
}

static void finish_numbers(const struct draft *draft, struct cluster_options *options)
{
    options->idle_connections_max = (unsigned)draft_count(draft, MOON_BUILD_IDLE_CONNECTIONS, 64);
    options->idle_seconds = draft_number(draft, MOON_BUILD_IDLE_SECONDS, 60);
    options->connections_max = (unsigned)draft_count(draft, MOON_BUILD_CONNECTIONS, 0);
    options->retry_budget = draft_number(draft, MOON_BUILD_RETRY_BUDGET, 0.2);
    options->retry_budget_min = (unsigned)draft_count(draft, MOON_BUILD_RETRY_BUDGET_MIN, 3);
    options->is_retry_budget_reported =
        draft_number(draft, MOON_BUILD_RETRY_BUDGET_REPORT_ONLY, 0) != 0;
}

static void finish_health(const struct draft *draft, struct cluster_options *options)
{
    options->failures_max = (unsigned)draft_count(draft, MOON_BUILD_FAILURES, 3);
    options->set_aside_seconds = draft_number(draft, MOON_BUILD_SET_ASIDE, 5);
    options->set_aside_seconds_max = draft_number(draft, MOON_BUILD_SET_ASIDE_MAX, 300);
    options->lineup.slow_start_seconds = draft_number(draft, MOON_BUILD_SLOW_START, 0);
    options->lineup.spill_share = draft_number(draft, MOON_BUILD_SPILL, 0.7);
    options->lineup.panic_share = draft_number(draft, MOON_BUILD_PANIC, 0);
    options->outliers = (struct outlier_rules){
        .share = draft_number(draft, MOON_BUILD_OUTLIER_SHARE, 0),
        .slow_seconds = draft_number(draft, MOON_BUILD_OUTLIER_SLOW, 0),
        .window_seconds = draft_number(draft, MOON_BUILD_OUTLIER_WINDOW, 10),
        .requests_min = (unsigned)draft_count(draft, MOON_BUILD_OUTLIER_REQUESTS, 20),
        .ejected_share_max = draft_number(draft, MOON_BUILD_OUTLIER_EJECTED, 0.5),
    };
}

static void finish_statuses(struct slice text, struct probe_options *probes)
{
    struct slice range;

    while (slice_next_element(&text, &range) && probes->status_count < PROBE_STATUSES_MAX) {
        struct probe_status_range *added = &probes->statuses[probes->status_count++];
        uint64_t first = 0, last = 0;
        size_t dash = slice_find(range, '-');
        bool is_range = slice_to_uint64(slice_of(range.start, dash), &first) &&
                        slice_to_uint64(slice_after(range, dash + 1), &last);
        assert(is_range); /* Lua has checked them */
        *added = (struct probe_status_range){(unsigned short)first, (unsigned short)last};
    }
}

static void finish_probes(struct generation *generation, struct probe_options *probes)
{
    const struct draft *draft = generation->draft;
    struct arena *arena = &generation->arena;

    if (!draft->has_number[MOON_BUILD_PROBE_HTTP])
        return;
    probes->kind = draft->numbers[MOON_BUILD_PROBE_HTTP] != 0 ? PROBE_HTTP : PROBE_TCP;
    probes->path = arena_copy(arena, draft_text(draft, MOON_BUILD_PROBE_PATH, SLICE("/")));
    probes->host = arena_copy(arena, draft_text(draft, MOON_BUILD_PROBE_HOST, SLICE("")));
    probes->body = arena_copy(arena, draft_text(draft, MOON_BUILD_PROBE_BODY, SLICE("")));
    probes->interval = draft_number(draft, MOON_BUILD_PROBE_INTERVAL, 5);
    probes->jitter = draft_number(draft, MOON_BUILD_PROBE_JITTER, 0.1);
    probes->timeout = draft_number(draft, MOON_BUILD_PROBE_TIMEOUT, 2);
    probes->rise = (unsigned)draft_count(draft, MOON_BUILD_PROBE_RISE, 2);
    probes->fall = (unsigned)draft_count(draft, MOON_BUILD_PROBE_FALL, 3);
    finish_statuses(draft_text(draft, MOON_BUILD_PROBE_STATUSES, SLICE("")), probes);
}

static enum cluster_balance balance_of(const struct draft *draft)
{
    static const char *const NAMES[] = {
        [CLUSTER_ROUND_ROBIN] = "round_robin",
        [CLUSTER_LEAST_CONNECTIONS] = "least_conn",
        [CLUSTER_LATENCY] = "ewma",
        [CLUSTER_HASH] = "hash",
        [CLUSTER_RANDOM] = "random",
    };
    struct slice name = draft_text(draft, MOON_BUILD_BALANCE, SLICE("round_robin"));

    for (size_t i = 0; i < ARRAY_LENGTH(NAMES); i++) {
        if (slice_equals(name, slice_from_string(NAMES[i])))
            return (enum cluster_balance)i;
    }
    return CLUSTER_ROUND_ROBIN; /* the configuration's check lets no other name pass */
}

/* Half of a SHA-256 of what the operator chose: of any length, and no key of anything else. */
static void finish_balance(const struct draft *draft, struct cluster_options *options)
{
    struct slice key = draft_text(draft, MOON_BUILD_STICKY_KEY, SLICE(""));
    char digest[SHA256_BYTES];

    options->balance = balance_of(draft);
    options->hash_bound = draft_number(draft, MOON_BUILD_HASH_BOUND, 1.25);
    if (key.length == 0)
        return;
    sha256_of(key, digest);
    memcpy(&options->sticky_key, digest, sizeof(options->sticky_key));
}

static const struct call_breaker_options *finish_breaker(struct generation *generation)
{
    struct call_breaker_options *options = arena_alloc(&generation->arena, sizeof(*options));
    return draft_breaker(generation->draft, options);
}

static struct generation_cluster *add_cluster(struct generation *generation)
{
    struct draft *draft = generation->draft;
    if (generation->cluster_count == draft->cluster_capacity) {
        draft->cluster_capacity = draft->cluster_capacity == 0 ? 16 : draft->cluster_capacity * 2;
        generation->clusters = mem_resize(generation->clusters,
                                          draft->cluster_capacity * sizeof(*generation->clusters));
    }
    struct generation_cluster *cluster = &generation->clusters[generation->cluster_count++];
    *cluster = (struct generation_cluster){.cluster = NULL};
    return cluster;
}

double draft_finish_cluster(struct generation *generation)
{
    struct draft *draft = generation->draft;
    struct slice protocol = draft_text(draft, MOON_BUILD_CLUSTER_PROTOCOL, SLICE(""));
    struct cluster_options options = {
        .name =
            arena_copy(&generation->arena, draft_text(draft, MOON_BUILD_CLUSTER_NAME, SLICE(""))),
        .server_name =
            arena_copy(&generation->arena, draft_text(draft, MOON_BUILD_SERVER_NAME, SLICE(""))),
    };

    if (generation->cluster_count == GENERATION_CLUSTERS_MAX) {
        draft->error = SLICE("too many upstreams");
        return -1;
    }
    if (protocol.length > 0 && (options.protocol = protocols_find(protocol)) == NULL) {
        draft->error =
            arena_format(&draft->scratch, "unknown protocol \"%.*s\"", SLICE_FORMAT(protocol));
        return -1;
    }
    options.is_discovered = draft_number(draft, MOON_BUILD_DISCOVERED, 0) != 0;
    if (!options.is_discovered)
        options.targets = finish_targets(generation, &options.target_count);
    finish_numbers(draft, &options);
    finish_health(draft, &options);
    finish_balance(draft, &options);
    finish_probes(generation, &options.probes);
    options.breaker = finish_breaker(generation);
    draft_hedge(draft, &options.hedge);
    options.admission = draft_admission(generation);
    if (!finish_tls(generation, &options))
        return -1;
    add_cluster(generation)->options = options;
    return generation->cluster_count - 1;
}
