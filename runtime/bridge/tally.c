/*
 * tally — slots by route and status, and adding to them.
 */
#include "bridge/tally.h"

#include <string.h>

#include "bridge/decision.h"
#include "bridge/exports.h"
#include "bridge/numbers.h"
#include "shm/shared.h"

/* Of a route; exchanges with further ones are counted from Lua. */
#define STATUSES_MAX 16

struct status_slot {
    int status; /* 0: there was no answer */
    uint32_t slot;
};

struct tally {
    uint32_t slots[MOON_TALLY_SLOTS]; /* MOON_TALLY_REQUESTS: in `statuses` */
    bool is_alone;                    /* nothing else takes part in the log phase */
    uint32_t step;                    /* of the route's chain, then */
    uint32_t status_count;
    struct status_slot statuses[STATUSES_MAX];
};

static struct tally *tally_of(const struct exchange *exchange)
{
    const struct generation_native *native = decision_native(exchange);
    return native != NULL ? native->tally : NULL;
}

static int status_of(const struct exchange *exchange)
{
    return exchange->response != NULL ? exchange->response->status : 0;
}

static const struct status_slot *find(const struct tally *tally, int status)
{
    for (uint32_t i = 0; i < tally->status_count; i++) {
        if (tally->statuses[i].status == status)
            return &tally->statuses[i];
    }
    return NULL;
}

static void count(struct exchange *exchange, const uint32_t *slots, uint32_t requests)
{
    const struct shared *shared = shared_of(exchange->generation);
    const struct counter_table *counters = &shared->counters;

    counter_add(counters, requests, 1);
    histogram_observe(&shared->histograms, slots[MOON_TALLY_DURATIONS],
                      nanoseconds(exchange->ended - exchange->started));
    if (exchange->request_body_bytes > 0)
        counter_add(counters, slots[MOON_TALLY_RECEIVED], exchange->request_body_bytes);
    if (exchange->response_body_bytes > 0)
        counter_add(counters, slots[MOON_TALLY_SENT], exchange->response_body_bytes);
    counter_add(counters, slots[MOON_TALLY_ATTEMPTS], exchange_call_record(exchange)->attempts);
    if (exchange->is_aborted)
        counter_add(counters, slots[MOON_TALLY_ABORTED], 1);
}

static void remember(struct exchange *exchange, const uint32_t *slots)
{
    struct generation_native *native = decision_native(exchange);
    int status = status_of(exchange);

    if (native == NULL)
        return;
    if (native->tally == NULL) {
        native->tally = arena_zeroed(&exchange->generation->arena, sizeof(*native->tally));
        memcpy(native->tally->slots, slots, sizeof(native->tally->slots));
    }
    struct tally *tally = native->tally;
    if (tally->status_count < STATUSES_MAX && find(tally, status) == NULL)
        tally->statuses[tally->status_count++] =
            (struct status_slot){status, slots[MOON_TALLY_REQUESTS]};
}

void moon_tally_count(struct exchange *exchange, const uint32_t *slots)
{
    count(exchange, slots, slots[MOON_TALLY_REQUESTS]);
    remember(exchange, slots);
}

bool moon_tally_again(struct exchange *exchange)
{
    const struct tally *tally = tally_of(exchange);
    const struct status_slot *known = tally != NULL ? find(tally, status_of(exchange)) : NULL;

    if (known == NULL)
        return false;
    count(exchange, tally->slots, known->slot);
    return true;
}

void moon_tally_alone(struct exchange *exchange, uint32_t step)
{
    struct tally *tally = tally_of(exchange);

    if (tally == NULL)
        return;
    tally->is_alone = true;
    tally->step = step;
}

bool tally_log(struct exchange *exchange)
{
    const struct tally *tally = tally_of(exchange);

    if (tally == NULL || !tally->is_alone || exchange->fault != FAULT_NONE)
        return false;
    const struct status_slot *known = find(tally, status_of(exchange));
    if (known == NULL)
        return false;
    struct decision *decision = decision_of(exchange);
    decision_open_ledger(decision);
    ledger_begin(&decision->ledger);
    ledger_enter(&decision->ledger, tally->step, 1);
    count(exchange, tally->slots, known->slot);
    ledger_end(&decision->ledger);
    return true;
}
