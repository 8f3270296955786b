/*
 * draft_settings — the gateway-wide settings of a configuration: limits, memory, log, proxies.
 */
#include <stdio.h>

#include "bridge/draft.h"
#include "bridge/exports.h"

static void finish_plan(struct generation *generation, const struct draft *draft)
{
    struct plan *plan = &generation->plan;
    struct slice format = draft_text(draft, MOON_BUILD_LOG_FORMAT, SLICE("text"));
    struct slice user = draft_text(draft, MOON_BUILD_USER, SLICE(""));

    plan->workers = (unsigned)draft_count(draft, MOON_BUILD_WORKERS, 0);
    plan->memory_counters = draft_count(draft, MOON_BUILD_MEMORY_COUNTERS, 0);
    plan->memory_limits = draft_count(draft, MOON_BUILD_MEMORY_LIMITS, 0);
    plan->memory_dict = draft_count(draft, MOON_BUILD_MEMORY_DICT, 0);
    plan->memory_values = draft_count(draft, MOON_BUILD_MEMORY_VALUES, 0);
    plan->memory_objects = draft_count(draft, MOON_BUILD_MEMORY_OBJECTS, 0);
    plan->watches_files = draft_number(draft, MOON_BUILD_WATCH, 1) != 0;
    plan->drain_seconds = draft_number(draft, MOON_BUILD_DRAIN_TIMEOUT, 30);
    plan->turn_seconds = draft_number(draft, MOON_BUILD_TURN_TIMEOUT, 0);
    plan->log_level = LOG_INFO;
    log_level_from_name(draft_text(draft, MOON_BUILD_LOG_LEVEL, SLICE("info")), &plan->log_level);
    plan->log_format = slice_equals(format, SLICE("json")) ? LOG_JSON : LOG_TEXT;
    snprintf(plan->user, sizeof(plan->user), "%.*s", SLICE_FORMAT(user));
}

static void finish_limits(struct generation *generation, const struct draft *draft)
{
    struct gateway_options *options = &generation->gateway_options;
    struct http_session_limits *limits = &options->limits;

    limits->head_bytes_max = draft_count(draft, MOON_BUILD_LIMIT_HEAD, limits->head_bytes_max);
    limits->target_bytes_max =
        draft_count(draft, MOON_BUILD_LIMIT_TARGET, limits->target_bytes_max);
    limits->head_seconds = draft_number(draft, MOON_BUILD_HEAD_TIMEOUT, limits->head_seconds);
    limits->body_idle_seconds =
        draft_number(draft, MOON_BUILD_BODY_TIMEOUT, limits->body_idle_seconds);
    limits->idle_seconds = draft_number(draft, MOON_BUILD_IDLE_TIMEOUT, limits->idle_seconds);
    limits->send_idle_seconds =
        draft_number(draft, MOON_BUILD_SEND_TIMEOUT, limits->send_idle_seconds);
    limits->requests_max =
        (unsigned)draft_count(draft, MOON_BUILD_LIMIT_REQUESTS, limits->requests_max);
    options->connections_max =
        (unsigned)draft_count(draft, MOON_BUILD_LIMIT_CONNECTIONS, options->connections_max);
    options->connections_per_address_max = (unsigned)draft_count(
        draft, MOON_BUILD_LIMIT_PER_ADDRESS, options->connections_per_address_max);
    options->body_bytes_max = draft_count(draft, MOON_BUILD_LIMIT_BODY, options->body_bytes_max);
    options->adds_forwarded = draft_number(draft, MOON_BUILD_FORWARDED, 0) != 0;
    if (draft->texts[MOON_BUILD_VIA].length > 0)
        options->via = arena_copy(&generation->arena, draft->texts[MOON_BUILD_VIA]);
}

static void finish_resolver(struct generation *generation, const struct draft *draft)
{
    struct resolver_options *options = &generation->resolver_options;
    struct slice servers = draft->texts[MOON_BUILD_RESOLVER_SERVERS];

    if (servers.length > 0)
        options->servers = arena_format(&generation->arena, "%.*s", SLICE_FORMAT(servers)).start;
    options->timeout = draft_number(draft, MOON_BUILD_RESOLVER_TIMEOUT, 0);
    options->stale_seconds = draft_number(draft, MOON_BUILD_RESOLVER_STALE, 0);
}

static void finish_store(struct generation *generation, const struct draft *draft)
{
    struct store_options *options = &generation->store_options;
    struct slice path = draft->texts[MOON_BUILD_STORE_PATH];

    if (path.length > 0)
        options->path = arena_format(&generation->arena, "%.*s", SLICE_FORMAT(path)).start;
    options->bytes_max = draft_count(draft, MOON_BUILD_STORE_SIZE, 0);
}

const struct address_block *draft_blocks(struct generation *generation, int which, size_t *count)
{
    struct draft *draft = generation->draft;
    const struct slice *texts = draft_list(draft, which, count);
    struct address_block *blocks = arena_zeroed(&generation->arena, (*count + 1) * sizeof(*blocks));

    for (size_t i = 0; i < *count; i++) {
        if (address_block_parse(texts[i], &blocks[i]))
            continue;
        draft->error = arena_format(&draft->scratch,
                                    "\"%.*s\" is not a CIDR block; expected "
                                    "\"10.0.0.0/8\", without bits behind the prefix",
                                    SLICE_FORMAT(texts[i]));
        return NULL;
    }
    return blocks;
}

static void finish_shed(struct generation *generation, const struct draft *draft)
{
    generation->gateway_options.shed = (struct shedder_options){
        .lag_seconds = draft_number(draft, MOON_BUILD_SHED_LAG, 0),
        .full_seconds = draft_number(draft, MOON_BUILD_SHED_FULL, 0),
        .window_seconds = draft_number(draft, MOON_BUILD_SHED_WINDOW, 0),
        .is_report_only = draft_number(draft, MOON_BUILD_SHED_REPORT_ONLY, 0) != 0,
    };
}

double draft_finish_settings(struct generation *generation)
{
    struct draft *draft = generation->draft;
    struct gateway_options *options = &generation->gateway_options;

    finish_plan(generation, draft);
    finish_limits(generation, draft);
    finish_resolver(generation, draft);
    finish_store(generation, draft);
    finish_shed(generation, draft);
    options->trusted_proxies =
        draft_blocks(generation, MOON_BUILD_TRUSTED_PROXY, &options->trusted_proxy_count);
    return options->trusted_proxies != NULL ? 0 : -1;
}
