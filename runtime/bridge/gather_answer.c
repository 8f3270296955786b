/*
 * gather_answer — the step that answers, as Lua and its task would run it.
 */
#include "bridge/gather_answer.h"

#include "bridge/decision.h"
#include "bridge/gather.h"

/* In the generation's arena. */
struct gather_answer {
    struct gather_plan *plan;
    double seconds;
    uint32_t step; /* of the chain */
    int status;
    struct headers headers;
};

static void keep_fields(struct gather_answer *kept, const struct headers *headers,
                        struct arena *arena)
{
    uint32_t at = 0;

    for (const struct header *field; (field = headers_next(headers, &at)) != NULL;)
        headers_add(&kept->headers, arena, arena_copy(arena, field->name),
                    arena_copy(arena, field->value));
}

/* Where what is known of its route's answer is kept; NULL: it has none that lasts. */
static const struct gather_answer **place_of(const struct exchange *exchange)
{
    struct generation *generation = exchange->generation;

    if (exchange->route == NULL || exchange->route->index == ROUTE_DEPARTED)
        return NULL;
    if (generation->gathered == NULL)
        generation->gathered = arena_zeroed(&generation->arena, generation->route_count *
                                                                    sizeof(struct gather_answer *));
    return &generation->gathered[exchange->route->index];
}

void moon_gathered_keep(struct exchange *exchange)
{
    const struct decision *decision = decision_of(exchange);
    const struct gather *gather = decision->gather;

    if (gather == NULL || !gather->plan->is_whole)
        return;
    const struct gather_answer **place = place_of(exchange);
    if (place == NULL || *place != NULL)
        return;
    struct arena *arena = &exchange->generation->arena;
    struct gather_answer *kept = arena_zeroed(arena, sizeof(*kept));

    kept->plan = gather->plan;
    kept->seconds = gather->seconds;
    kept->step = decision->ledger.step;
    kept->status = decision->answer.status;
    keep_fields(kept, &decision->answer.headers, arena);
    *place = kept;
}

/* Its route is one of the generation's. */
static const struct gather_answer *kept_of(const struct exchange *exchange)
{
    const struct generation *generation = exchange->generation;
    return generation->gathered != NULL ? generation->gathered[exchange->route->index] : NULL;
}

/* The call is counted at its end: where Lua goes on with it, Lua counts it. */
bool gather_answer_begin(struct exchange *exchange, void (*settled)(struct exchange *exchange))
{
    const struct gather_answer *kept = kept_of(exchange);

    if (kept == NULL)
        return false;
    struct decision *decision = decision_of(exchange);
    struct ledger *ledger = &decision->ledger;

    decision_open_ledger(decision);
    ledger_begin(ledger);
    ledger_enter(ledger, kept->step, 0);
    bool is_waiting = gather_begin(exchange, kept->plan, kept->seconds) &&
                      gather_await(decision->gather, settled);
    if (ledger->weight != 0)
        ledger_pause(ledger, false, is_waiting);
    return is_waiting;
}

bool gather_answer_end(struct exchange *exchange)
{
    struct decision *decision = decision_of(exchange);
    const struct gather *gather = decision->gather;
    const struct gather_answer *kept = kept_of(exchange);
    bool is_whole = gather->left == 0 && gather->failures == 0;

    ledger_begin(&decision->ledger);
    if (is_whole) {
        ledger_enter(&decision->ledger, kept->step, 1);
        decision->answer =
            (struct decision_answer){.status = kept->status, .headers = kept->headers};
        moon_answer_gathered(exchange, "", 0);
    }
    ledger_end(&decision->ledger);
    return is_whole;
}

void gather_answer_cancel(struct decision *decision)
{
    struct gather *gather = decision->gather;

    if (gather == NULL || gather->settled == NULL)
        return;
    ledger_begin(&decision->ledger);
    ledger_enter(&decision->ledger, decision->ledger.step, 1);
    ledger_end(&decision->ledger);
    gather_stop(gather);
}
