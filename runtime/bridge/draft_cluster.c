/*
 * draft_cluster — an upstream of the configuration: kept as options until the commit acquires it.
 */
#include "base/mem.h"
#include "bridge/draft.h"
#include "bridge/exports.h"
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
            .is_tls = entry->is_tls != 0,
        };
    }
    return targets;
}

static bool has_tls_target(const struct cluster_options *options)
{
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
    options->failures_max = (unsigned)draft_count(draft, MOON_BUILD_FAILURES, 3);
    options->set_aside_seconds = draft_number(draft, MOON_BUILD_SET_ASIDE, 5);
    options->retry_budget = draft_number(draft, MOON_BUILD_RETRY_BUDGET, 0.2);
    options->retry_budget_min = (unsigned)draft_count(draft, MOON_BUILD_RETRY_BUDGET_MIN, 3);
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
    struct slice balance = draft_text(draft, MOON_BUILD_BALANCE, SLICE("round_robin"));
    struct slice protocol = draft_text(draft, MOON_BUILD_CLUSTER_PROTOCOL, SLICE(""));
    struct cluster_options options = {
        .name =
            arena_copy(&generation->arena, draft_text(draft, MOON_BUILD_CLUSTER_NAME, SLICE(""))),
        .balance = slice_equals(balance, SLICE("least_conn")) ? CLUSTER_LEAST_CONNECTIONS
                                                              : CLUSTER_ROUND_ROBIN,
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
    options.targets = finish_targets(generation, &options.target_count);
    finish_numbers(draft, &options);
    if (!finish_tls(generation, &options))
        return -1;
    add_cluster(generation)->options = options;
    return generation->cluster_count - 1;
}
