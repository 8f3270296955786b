/*
 * cluster — taking over new options without losing what targets have learned.
 */
#include "upstream/cluster.h"

#include <assert.h>

#include "base/mem.h"
#include "http/h1_protocol.h"
#include "upstream/cluster_parts.h"

static double seconds_or(double value, double fallback)
{
    return value > 0 ? value : fallback;
}

static struct pool_limits pool_limits_of(const struct cluster_options *options)
{
    return (struct pool_limits){
        .connections_max = options->connections_max,
        .idle_connections_max = options->idle_connections_max,
        .idle_seconds = seconds_or(options->idle_seconds, 60),
    };
}

static struct ejection_rules ejection_rules_of(const struct cluster_options *options)
{
    double seconds = seconds_or(options->set_aside_seconds, 5);
    double seconds_max = seconds_or(options->set_aside_seconds_max, 300);

    return (struct ejection_rules){
        .failures_max = options->failures_max > 0 ? options->failures_max : 3,
        .seconds = seconds,
        .seconds_max = seconds_max > seconds ? seconds_max : seconds,
    };
}

static void take_numbers(struct cluster *cluster, const struct cluster_options *options)
{
    cluster->balance = options->balance;
    cluster->pool_limits = pool_limits_of(options);
    cluster->ejection_rules = ejection_rules_of(options);
    cluster->outlier_rules = options->outliers;
    cluster->weighs_answers = options->balance == CLUSTER_LATENCY || options->outliers.share > 0;
    cluster->lineup_rules = options->lineup;
    cluster->lineup_rules.is_probed = options->probes.kind != PROBE_NONE;
    cluster->hash_bound = options->hash_bound;
    retry_budget_configure(&cluster->retry_budget, options->retry_budget,
                           options->retry_budget_min);
    cluster->reports_retries = options->is_retry_budget_reported;
    call_breaker_configure(&cluster->breaker, "upstream:", cluster->name, options->breaker);
    cluster->hedge_rules = options->hedge;
    admission_configure(&cluster->admission, cluster, options->admission);
}

static bool is_outlier_rule_same(const struct outlier_rules *one, const struct outlier_rules *other)
{
    return one->share == other->share && one->slow_seconds == other->slow_seconds &&
           one->window_seconds == other->window_seconds &&
           one->requests_min == other->requests_min &&
           one->ejected_share_max == other->ejected_share_max;
}

static bool has_rules(const struct cluster *cluster, const struct cluster_options *options)
{
    const struct lineup_rules *one = &cluster->lineup_rules, *other = &options->lineup;

    return is_outlier_rule_same(&cluster->outlier_rules, &options->outliers) &&
           one->slow_start_seconds == other->slow_start_seconds &&
           one->spill_share == other->spill_share && one->panic_share == other->panic_share &&
           cluster_has_probes(cluster, &options->probes) &&
           cluster->hash_bound == options->hash_bound &&
           cluster->sticky_key.low == options->sticky_key.low &&
           cluster->sticky_key.high == options->sticky_key.high;
}

static bool has_budget(const struct cluster *cluster, const struct cluster_options *options)
{
    return cluster->retry_budget.ratio == options->retry_budget &&
           cluster->retry_budget.per_second_min == options->retry_budget_min &&
           cluster->reports_retries == options->is_retry_budget_reported;
}

static bool has_numbers(const struct cluster *cluster, const struct cluster_options *options)
{
    const struct pool_limits pool = pool_limits_of(options);
    const struct ejection_rules ejection = ejection_rules_of(options);

    return cluster->balance == options->balance &&
           cluster->pool_limits.connections_max == pool.connections_max &&
           cluster->pool_limits.idle_connections_max == pool.idle_connections_max &&
           cluster->pool_limits.idle_seconds == pool.idle_seconds &&
           cluster->ejection_rules.failures_max == ejection.failures_max &&
           cluster->ejection_rules.seconds == ejection.seconds &&
           cluster->ejection_rules.seconds_max == ejection.seconds_max &&
           has_rules(cluster, options) && has_budget(cluster, options) &&
           call_breaker_is(&cluster->breaker, options->breaker) &&
           hedge_rules_are(&cluster->hedge_rules, &options->hedge) &&
           admission_is(cluster->admission, options->admission);
}

static const struct http_protocol *protocol_of(const struct cluster_options *options)
{
    return options->protocol != NULL ? options->protocol : &H1_PROTOCOL;
}

static bool has_manners(const struct cluster *cluster, const struct cluster_options *options)
{
    struct slice name =
        cluster->server_name != NULL ? slice_from_string(cluster->server_name) : SLICE_NONE;
    return cluster->protocol == protocol_of(options) && cluster->tls == options->tls &&
           slice_equals(name, options->server_name);
}

/* What connections are made with. True when connections made before are not like those made from
 * now on. */
static bool take_manners(struct cluster *cluster, const struct cluster_options *options)
{
    bool is_changed = !has_manners(cluster, options);
    struct tls_context *tls = options->tls != NULL ? tls_context_acquire(options->tls) : NULL;
    char *server_name = NULL;

    if (options->server_name.length > 0) {
        server_name = mem_zeroed(options->server_name.length + 1);
        memcpy(server_name, options->server_name.start, options->server_name.length);
    }
    if (cluster->tls != NULL)
        tls_context_release(&cluster->tls);
    free(cluster->server_name);
    cluster->protocol = protocol_of(options);
    cluster->tls = tls;
    cluster->server_name = server_name;
    return is_changed;
}

/* Takes that target out of the old list, or makes one. It is looked for first where the last one
 * was, since they mostly come in the same order. */
static struct target *take_target(struct cluster *cluster, size_t *next,
                                  const struct cluster_target_options *options)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        size_t at = (*next + i) % cluster->target_count;
        struct target *target = cluster->targets[at];
        if (target == NULL || !target_is(target, options))
            continue;
        cluster->targets[at] = NULL;
        *next = at + 1;
        target_take_options(target, options);
        pool_set_limits(target->pool, &cluster->pool_limits);
        return target;
    }
    const struct target_home home = {cluster->board, cluster->name};
    struct target *target =
        target_create(cluster->clusters->loop, options, &cluster->pool_limits, &home);
    if (cluster->target_count > 0) /* the others were there before it */
        cluster_welcome(cluster, target, loop_uptime(cluster->clusters->loop));
    return target;
}

/* What cookies call it: not 0, which is none. */
static void name_target(const struct cluster *cluster, struct target *target)
{
    bool has_key = cluster->sticky_key.low != 0 || cluster->sticky_key.high != 0;
    const struct target_board *board = cluster->board;
    struct hash_key key = has_key || board == NULL ? cluster->sticky_key : *board->hash_key;

    target->sticky = hash_pair(&key, cluster->name, target->url) | 1;
}

static void drop_targets(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        if (cluster->targets[i] == NULL)
            continue;
        target_retire(cluster->targets[i]);
        target_release(&cluster->targets[i]);
    }
    free(cluster->targets);
    cluster->targets = NULL;
    cluster->target_count = 0;
}

static void take_targets(struct cluster *cluster, const struct cluster_target_options *options,
                         size_t count)
{
    struct target **targets = mem_zeroed_array(count + 1, sizeof(struct target *));
    size_t next = 0;

    for (size_t i = 0; i < count; i++) {
        assert(options[i].weight <= CLUSTER_WEIGHT_MAX);
        assert(cluster->tls != NULL || !options[i].is_tls);
        targets[i] = take_target(cluster, &next, &options[i]);
        name_target(cluster, targets[i]);
    }
    drop_targets(cluster);
    cluster->targets = targets;
    cluster->target_count = count;
    lineup_init(&cluster->lineup, cluster->target_count);
    if (cluster->balance == CLUSTER_HASH)
        ring_make(&cluster->ring, targets, cluster->target_count);
    else
        ring_clear(&cluster->ring);
}

/* Those that it has, by what they are made from: to be freed. */
static struct cluster_target_options *targets_of(const struct cluster *cluster)
{
    struct cluster_target_options *options =
        mem_zeroed_array(cluster->target_count + 1, sizeof(*options));

    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct target *target = cluster->targets[i];
        options[i] = (struct cluster_target_options){
            .host = slice_from_string(target->host),
            .port = target->port,
            .weight = target->weight,
            .is_tls = target->is_tls,
            .is_backup = target->is_backup,
            .is_remote = target->is_remote,
            .priority = target->priority,
        };
    }
    return options;
}

static bool has_targets(const struct cluster *cluster, const struct cluster_target_options *options,
                        size_t count)
{
    if (cluster->target_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!target_is(cluster->targets[i], &options[i]) ||
            !target_has_options(cluster->targets[i], &options[i]))
            return false;
    }
    return true;
}

bool cluster_set_targets(struct cluster *cluster, const struct cluster_target_options *targets,
                         size_t count)
{
    assert(count <= CLUSTER_TARGETS_MAX);
    if (has_targets(cluster, targets, count))
        return false;
    take_targets(cluster, targets, count);
    return true;
}

/* Whether those that it has stay, whichever they are. */
static bool leaves_targets(const struct cluster_options *options)
{
    return options->is_discovered && options->targets == NULL;
}

bool cluster_is(const struct cluster *cluster, const struct cluster_options *options)
{
    return has_numbers(cluster, options) && has_manners(cluster, options) &&
           (leaves_targets(options) ||
            has_targets(cluster, options->targets, options->target_count));
}

void cluster_configure(struct cluster *cluster, const struct cluster_options *options)
{
    assert(options->target_count <= CLUSTER_TARGETS_MAX);
    assert(options->tls != NULL || !options->is_discovered);
    take_numbers(cluster, options);
    cluster->sticky_key = options->sticky_key;
    cluster_take_probes(cluster, &options->probes);
    bool is_changed = take_manners(cluster, options);
    if (leaves_targets(options)) {
        struct cluster_target_options *kept = targets_of(cluster);
        take_targets(cluster, kept, cluster->target_count);
        free(kept);
    } else {
        take_targets(cluster, options->targets, options->target_count);
    }
    for (size_t i = 0; is_changed && i < cluster->target_count; i++)
        pool_renew(cluster->targets[i]->pool);
}

void cluster_clear(struct cluster *cluster)
{
    drop_targets(cluster);
    lineup_clear(&cluster->lineup);
    ring_clear(&cluster->ring);
    cluster_clear_probes(cluster);
    if (cluster->tls != NULL)
        tls_context_release(&cluster->tls);
    free(cluster->server_name);
    cluster->server_name = NULL;
    call_breaker_clear(&cluster->breaker);
    admission_destroy(&cluster->admission);
    free(cluster->hedging);
    cluster->hedging = NULL;
}

bool cluster_is_hedged(const struct cluster *cluster)
{
    return cluster->hedge_rules.attempts > 0 || cluster->hedging != NULL;
}

struct slice cluster_name(const struct cluster *cluster)
{
    return cluster->name;
}
