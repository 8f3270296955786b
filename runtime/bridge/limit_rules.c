/*
 * limit_rules — limits as the requests of a route come under them.
 *
 * A rule has all that is the same for each request: the numbers as the limiter takes them, the
 * beginning of the key's hash, where the scope is found, what answers tell. So a request is one
 * call, whatever comes of it.
 */
#include <math.h>

#include "bridge/decision.h"
#include "bridge/exports.h"
#include "bridge/held_slots.h"
#include "bridge/numbers.h"
#include "bridge/scope_source.h"
#include "shm/limiter_window.h"
#include "shm/shared.h"

#define SECOND_NS    1000000000ULL
#define WINDOW_KINDS 3

/* In the generation's arena. */
struct limit_rule {
    struct limit_rule *next; /* asked together with this one; NULL: none */
    int how;
    struct hash_prefix prefix; /* of the name */
    struct scope_source source;
    const struct limit_told *told; /* NULL: C tells nothing of it */
    struct limiter_take rate;      /* GCRA: interval and capacity */
    uint64_t limit;
    uint64_t length_s;       /* of windows one after the other; 0: start_s and end_s are set */
    uint64_t start_s, end_s; /* of the window that is now */
    /* Of the request that is asked for: */
    uint64_t key, cost;
    struct limiter_verdict verdict;
    uint64_t told_s;
};

/* Lua hands scalars over in registers; a struct of them would have to be filled for each call. */
/* NOLINTBEGIN(readability-function-size) */

static bool is_in_range(struct limit_rule *rule, double seconds, double burst)
{
    switch (rule->how) {
    case MOON_LIMIT_GCRA:
        return limiter_rate(rule->limit, nanoseconds(seconds), whole(burst), &rule->rate);
    case MOON_LIMIT_SLOTS:
        return rule->limit > 0 && rule->limit <= SLOTS_COUNT_MAX;
    default:
        return rule->how >= 0 && rule->how < WINDOW_KINDS && rule->limit > 0 &&
               rule->limit <= LIMITER_WINDOW_COUNT_MAX;
    }
}

struct limit_rule *moon_limit_rule(struct generation *generation, const char *name,
                                   size_t name_length, int how, double limit, double seconds,
                                   double burst)
{
    const struct shared *shared = shared_of(generation);
    const struct hash_key *key =
        how == MOON_LIMIT_SLOTS ? shared->slots.hash_key : shared->limiter.hash_key;
    struct limit_rule rule = {
        .how = how,
        .prefix = hash_prefix_of(key, exports_slice(name, name_length)),
        .limit = whole(limit),
        .length_s = whole(seconds),
    };

    if (!is_in_range(&rule, seconds, burst))
        return NULL;
    struct limit_rule *kept = arena_alloc(&generation->arena, sizeof(*kept));
    *kept = rule;
    return kept;
}

/* NOLINTEND(readability-function-size) */

void moon_limit_rule_by(struct generation *generation, struct limit_rule *rule, int scope,
                        const char *name, size_t name_length)
{
    rule->source = (struct scope_source){
        .kind = (enum moon_scope)scope,
        .name = arena_copy(&generation->arena, exports_slice(name, name_length)),
        .id = scope == MOON_SCOPE_HEADER ? moon_field_id(name, name_length) : -1,
    };
}

void moon_limit_rule_tells(struct limit_rule *rule, const struct limit_told *told)
{
    rule->told = told;
}

void moon_limit_rule_next(struct limit_rule *rule, struct limit_rule *next)
{
    rule->next = next;
}

void moon_limit_rule_window(struct limit_rule *rule, double start, double stop)
{
    rule->start_s = whole(start);
    rule->end_s = whole(stop);
}

void moon_limit_rule_give(struct limit_rule *rule, const char *text, size_t length)
{
    rule->source.given = exports_slice(text, length);
}

/* ---- one rule ---- */

static struct limiter_take take_of(const struct limit_rule *rule, uint64_t cost, uint64_t now_ns)
{
    return (struct limiter_take){
        .key = rule->key,
        .now_ns = now_ns,
        .interval_ns = rule->rate.interval_ns,
        .capacity_ns = rule->rate.capacity_ns,
        .cost = cost,
    };
}

static struct limiter_window window_of(const struct limit_rule *rule, uint64_t cost,
                                       uint64_t now_ns)
{
    uint64_t start_s = rule->start_s, end_s = rule->end_s;

    if (rule->length_s > 0) {
        start_s = now_ns / SECOND_NS / rule->length_s * rule->length_s;
        end_s = start_s + rule->length_s;
    }
    return (struct limiter_window){
        .key = rule->key,
        .now_ns = now_ns,
        .kind = (enum limiter_window_kind)rule->how,
        .start_s = start_s,
        .end_s = end_s,
        .limit = rule->limit,
        .cost = cost,
    };
}

static enum limiter_outcome take(const struct limiter *limiter, struct limit_rule *rule,
                                 uint64_t cost, uint64_t now_ns)
{
    if (rule->how == MOON_LIMIT_GCRA) {
        struct limiter_take take = take_of(rule, cost, now_ns);
        return limiter_take(limiter, &take, &rule->verdict);
    }
    struct limiter_window window = window_of(rule, cost, now_ns);
    return limiter_window_take(limiter, &window, &rule->verdict);
}

static void give(const struct limiter *limiter, const struct limit_rule *rule, uint64_t now_ns)
{
    if (rule->how == MOON_LIMIT_GCRA) {
        struct limiter_take take = take_of(rule, rule->cost, now_ns);
        limiter_give(limiter, &take);
    } else {
        struct limiter_window window = window_of(rule, rule->cost, now_ns);
        limiter_window_give(limiter, &window);
    }
}

static uint64_t seconds_up(uint64_t ns)
{
    return ns / SECOND_NS + (ns % SECOND_NS != 0);
}

/* When all of the allowance is back; of a request that is refused, when the next one may pass, as
 * far as any wait helps. */
static void tell(struct exchange *exchange, struct limit_rule *rule, bool is_refused)
{
    uint64_t wait_ns = rule->verdict.retry_after_ns;

    if (!is_refused || wait_ns == UINT64_MAX)
        rule->told_s = seconds_up(rule->verdict.reset_ns);
    else
        rule->told_s = wait_ns > 0 ? seconds_up(wait_ns) : 1;
    if (rule->told != NULL)
        limit_fields_note(decision_of(exchange), rule->told, rule->verdict.remaining, rule->told_s);
}

/* ---- all that are asked together ---- */

/* The keys of the request. */
static enum moon_limit_answer find_scopes(struct exchange *exchange, struct limit_rule *first,
                                          uint64_t cost, bool may_share)
{
    for (struct limit_rule *rule = first; rule != NULL; rule = rule->next) {
        struct slice scope;
        if (!scope_source_find(&rule->source, exchange, &scope) && !may_share)
            return MOON_LIMIT_UNIDENTIFIED;
        rule->key = limiter_key_after(&rule->prefix, scope);
        rule->cost = cost;
    }
    return MOON_LIMIT_ALLOWED;
}

static bool are_sane(const struct limit_rule *first, uint64_t now_ns)
{
    for (const struct limit_rule *rule = first; rule != NULL; rule = rule->next) {
        if (rule->how == MOON_LIMIT_GCRA)
            continue;
        struct limiter_window window = window_of(rule, rule->cost, now_ns);
        if (!limiter_window_is_sane(&window))
            return false;
    }
    return true;
}

/* How long to wait, of one that has not enough now. Another worker may have given back meanwhile.
 */
static void find_wait(const struct limiter *limiter, struct limit_rule *rule, uint64_t now_ns)
{
    struct limiter_verdict looked = rule->verdict;
    enum limiter_outcome outcome = take(limiter, rule, rule->cost, now_ns);
    looked.retry_after_ns = rule->verdict.retry_after_ns;

    rule->verdict = looked;
    if (outcome == LIMITER_ALLOWED)
        give(limiter, rule, now_ns);
}

/* Only looks: the place of the first that has not enough, 0: all have. */
static int look(struct exchange *exchange, struct limit_rule *first, uint64_t now_ns)
{
    const struct limiter *limiter = &shared_of(exchange->generation)->limiter;
    int place = 0, refused = MOON_LIMIT_ALLOWED;

    for (struct limit_rule *rule = first; rule != NULL; rule = rule->next) {
        place++;
        take(limiter, rule, 0, now_ns);
        tell(exchange, rule, false);
        if (rule->verdict.remaining < rule->cost && refused == MOON_LIMIT_ALLOWED) {
            refused = place;
            find_wait(limiter, rule, now_ns);
        }
    }
    return refused;
}

static int charge(struct exchange *exchange, struct limit_rule *first, uint64_t now_ns)
{
    const struct limiter *limiter = &shared_of(exchange->generation)->limiter;
    int place = 0;

    for (struct limit_rule *rule = first; rule != NULL; rule = rule->next) {
        place++;
        enum limiter_outcome outcome = take(limiter, rule, rule->cost, now_ns);
        tell(exchange, rule, outcome != LIMITER_ALLOWED);
        if (outcome == LIMITER_ALLOWED)
            continue;
        for (const struct limit_rule *before = first; before != rule; before = before->next)
            give(limiter, before, now_ns);
        return place;
    }
    return MOON_LIMIT_ALLOWED;
}

static int take_slot(struct exchange *exchange, const struct limit_rule *rule)
{
    uint32_t used;
    enum slots_outcome outcome = held_slots_take(exchange, rule->key, (uint32_t)rule->limit, &used);
    return outcome == SLOTS_TAKEN ? MOON_LIMIT_ALLOWED : 1;
}

int moon_limit_ask(struct exchange *exchange, struct limit_rule *rule, double cost, bool may_share)
{
    uint64_t ns = now_ns(exchange->generation);

    if (find_scopes(exchange, rule, whole(cost), may_share) != MOON_LIMIT_ALLOWED)
        return MOON_LIMIT_UNIDENTIFIED;
    if (rule->how == MOON_LIMIT_SLOTS)
        return take_slot(exchange, rule);
    if (!are_sane(rule, ns))
        return MOON_LIMIT_OUT_OF_RANGE;
    int refused = rule->next != NULL ? look(exchange, rule, ns) : MOON_LIMIT_ALLOWED;
    return refused != MOON_LIMIT_ALLOWED ? refused : charge(exchange, rule, ns);
}

/* NOLINTNEXTLINE(readability-function-size): as above. */
int moon_limit_charge(struct exchange *exchange, struct limit_rule *rule, const char *scope,
                      size_t scope_length, int flags, double cost)
{
    const struct limiter *limiter = &shared_of(exchange->generation)->limiter;

    rule->key = limiter_key_after(&rule->prefix, exports_slice(scope, scope_length));
    struct limiter_window window = window_of(rule, whole(cost), now_ns(exchange->generation));
    window.may_exceed = (flags & MOON_WINDOW_MAY_EXCEED) != 0;
    window.must_exist = (flags & MOON_WINDOW_MUST_EXIST) != 0;
    if (!limiter_window_is_sane(&window))
        return -1;
    rule->verdict = (struct limiter_verdict){0};
    enum limiter_outcome outcome = limiter_window_take(limiter, &window, &rule->verdict);
    if (outcome != LIMITER_UNKNOWN)
        tell(exchange, rule, outcome != LIMITER_ALLOWED);
    return (int)outcome;
}

static double seconds_of(uint64_t ns)
{
    return ns == UINT64_MAX ? INFINITY : (double)ns / NANOSECONDS;
}

void moon_limit_said(const struct limit_rule *rule, double *numbers)
{
    numbers[0] = (double)rule->verdict.remaining;
    numbers[1] = (double)rule->told_s;
    numbers[2] = seconds_of(rule->verdict.retry_after_ns);
    numbers[3] = seconds_of(rule->verdict.reset_ns);
}
