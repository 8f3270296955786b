/*
 * export_status — what the worker knows of itself and of what all share, for the admin endpoints.
 */
#include "base/log.h"
#include "base/sink.h"
#include "bridge/config_text.h"
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "gateway/gateway.h"
#include "shm/shared.h"

double moon_worker_number(struct generation *generation, int which)
{
    const struct services *services = generation->services;
    assert(services != NULL);
    const struct gateway_counts *counts = gateway_counts(services->gateway);

    switch ((enum moon_worker_count)which) {
    case MOON_WORKER_CONNECTIONS_ACTIVE:
        return (double)counts->connections_active;
    case MOON_WORKER_EXCHANGES_ACTIVE:
        return (double)counts->exchanges_active;
    case MOON_WORKER_INDEX:
        return services->worker;
    case MOON_WORKER_COUNT:
        return services->worker_count;
    case MOON_WORKER_DRAINING:
        return gateway_is_draining(services->gateway);
    case MOON_WORKER_LOG_DROPPED:
        return (double)log_dropped();
    case MOON_WORKER_SINK_DROPPED:
        return (double)sinks_dropped();
    case MOON_WORKER_GENERATIONS:
        return generation->generations->alive;
    }
    return -1;
}

double moon_worker_growth(struct generation *generation, int which)
{
    assert(which >= 0 && which < GENERATIONS_COUNTS_MAX);
    double *published = &generation->generations->published[which];
    double now = moon_worker_number(generation, which), growth = now - *published;

    *published = now;
    return growth;
}

static double value_usage(const struct shared *shared, int which)
{
    struct object_usage usage;
    object_store_usage(&shared->values.store, &usage);
    return (double)(which == MOON_SHARED_VALUES ? usage.objects : usage.bytes);
}

double moon_shared_number(struct generation *generation, int which)
{
    const struct shared *shared = generation->services->shared;

    switch ((enum moon_shared_count)which) {
    case MOON_SHARED_COUNTERS:
        return counter_count(&shared->counters);
    case MOON_SHARED_COUNTERS_REFUSED:
        return (double)counter_dropped(&shared->counters);
    case MOON_SHARED_HISTOGRAMS:
        return histogram_count(&shared->histograms);
    case MOON_SHARED_HISTOGRAMS_REFUSED:
        return (double)histogram_dropped(&shared->histograms);
    case MOON_SHARED_LIMITS_REFUSED:
        return (double)limiter_full(&shared->limiter);
    case MOON_SHARED_SLOTS_REFUSED:
        return (double)slots_refused(&shared->slots);
    case MOON_SHARED_DICT_BYTES:
        return (double)dict_bytes_used(&shared->dict);
    case MOON_SHARED_DICT_REFUSED:
        return (double)dict_refused(&shared->dict);
    case MOON_SHARED_VALUES:
    case MOON_SHARED_VALUE_BYTES:
        return value_usage(shared, which);
    case MOON_SHARED_VALUES_REFUSED:
        return (double)object_store_count(&shared->values.store, OBJECT_COUNT_REFUSED);
    case MOON_SHARED_PLUGIN_ROUTES:
        return plugin_accounts_pairs(&shared->accounts);
    case MOON_SHARED_PLUGIN_ROUTES_REFUSED:
        return (double)plugin_accounts_refused(&shared->accounts);
    }
    return -1;
}

bool moon_worker_at(struct generation *generation, uint32_t worker, struct slice *state,
                    double *numbers)
{
    struct worker_outline seen = {0};

    if (worker < generation->services->worker_count)
        seen = worker_place_outline(shared_place(generation->services->shared, worker));
    if (seen.pid == 0)
        return false;
    *state = slice_from_string(worker_state_name(seen.state));
    numbers[0] = seen.pid;
    numbers[1] = (double)seen.generation;
    numbers[2] = seen.delay_seconds;
    numbers[3] = seen.shed_level;
    return true;
}

bool moon_plugin_cost_next(struct generation *generation, int which, size_t *cursor,
                           struct slice *texts, double *numbers)
{
    const struct plugin_accounts *accounts = &generation->services->shared->accounts;
    struct plugin_accounts_view view;

    if (which == MOON_PLUGIN_ON_ROUTE ? !plugin_accounts_next_pair(accounts, cursor, &view)
                                      : !plugin_accounts_next_plugin(accounts, cursor, &view))
        return false;
    texts[0] = view.plugin;
    texts[1] = view.route;
    numbers[0] = (double)view.cost.calls;
    numbers[1] = (double)view.cost.errors;
    numbers[2] = (double)view.cost.cpu_ns * 1e-9;
    numbers[3] = (double)view.cost.wait_ns * 1e-9;
    numbers[4] = (double)view.cost.measured;
    return true;
}

bool moon_breaker_next(struct generation *generation, size_t *cursor, struct slice *name,
                       double *numbers)
{
    struct breaker_view view;

    if (!breakers_next(&generation->services->shared->breakers, cursor, &view))
        return false;
    *name = view.name;
    numbers[0] = view.state;
    numbers[1] = (double)view.opened;
    numbers[2] = (double)view.refused;
    return true;
}

bool moon_breaker_reset(struct generation *generation, const char *name, size_t length)
{
    return breaker_reset(&generation->services->shared->breakers, exports_slice(name, length));
}

bool moon_gate_next(struct generation *generation, size_t *cursor, struct slice *name,
                    double *numbers)
{
    struct gate_view view;

    if (!gates_next(&generation->services->shared->gates, cursor, &view))
        return false;
    *name = view.name;
    numbers[MOON_GATE_LIMIT] = view.limit;
    numbers[MOON_GATE_ACTIVE] = (double)view.active;
    numbers[MOON_GATE_LIMITED] = (double)view.limited;
    numbers[MOON_GATE_USUAL] = view.usual_seconds;
    numbers[MOON_GATE_RECENT] = view.recent_seconds;
    numbers[MOON_GATE_QUEUED] = (double)view.queued;
    numbers[MOON_GATE_WAITED] = (double)view.waited;
    numbers[MOON_GATE_WAITED_SECONDS] = view.waited_seconds;
    numbers[MOON_GATE_EXPIRED] = (double)view.expired;
    numbers[MOON_GATE_OVERFLOWED] = (double)view.overflowed;
    return true;
}

bool moon_gate_reset(struct generation *generation, const char *name, size_t length)
{
    return gate_reset(&generation->services->shared->gates, exports_slice(name, length));
}

bool moon_notice(struct generation *generation, struct slice *text)
{
    *text = notice_read(&generation->services->shared->notice);
    return text->length > 0;
}

bool moon_config_is_wanted(struct generation *generation)
{
    return generation->shown != NULL;
}

void moon_config_show(struct generation *generation, const char *text, size_t length)
{
    config_text_add(&generation->shown, exports_slice(text, length));
}

const char *moon_version(void)
{
    return MOONGATE_VERSION;
}
