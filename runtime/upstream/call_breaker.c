/*
 * call_breaker — what a call asks of its circuit breakers when it begins, and tells them at its
 * end.
 */
#include "upstream/call_breaker.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "upstream/call_state.h"

#define BREAKERS_OF_A_CALL 2

/* A call's, as long as it lasts; in its arena. */
struct call_passes {
    struct call_pass {
        struct call_breaker *breaker; /* NULL: none, or it has been told */
        struct breaker_pass pass;
    } each[BREAKERS_OF_A_CALL];
};

void call_breaker_configure(struct call_breaker *breaker, const char *kind, struct slice name,
                            const struct call_breaker_options *options)
{
    if (options == NULL) {
        call_breaker_clear(breaker);
        return;
    }
    breaker->options = *options;
    if (breaker->name != NULL)
        return;
    size_t length = strlen(kind);
    char *text = mem_zeroed(length + name.length + 1);
    memcpy(text, kind, length);
    memcpy(text + length, name.start, name.length);
    breaker->name = text;
}

static bool has_numbers(const struct breaker_options *one, const struct breaker_options *other)
{
    return one->window_ms == other->window_ms && one->open_ms == other->open_ms &&
           one->minimum == other->minimum && one->probes == other->probes &&
           one->failed_share == other->failed_share && one->slow_share == other->slow_share;
}

bool call_breaker_is(const struct call_breaker *breaker, const struct call_breaker_options *options)
{
    if (breaker->name == NULL || options == NULL)
        return breaker->name == NULL && options == NULL;
    return has_numbers(&breaker->options.numbers, &options->numbers) &&
           breaker->options.slow_seconds == options->slow_seconds &&
           breaker->options.is_report_only == options->is_report_only;
}

void call_breaker_clear(struct call_breaker *breaker)
{
    free((char *)breaker->name);
    *breaker = (struct call_breaker){.name = NULL};
}

static const struct breakers *breakers_of(const struct call *call)
{
    return call->cluster->clusters->breakers;
}

/* By the clock of all processes. */
static uint64_t now_ms(const struct call *call)
{
    return (uint64_t)(loop_now(call_loop(call)) * 1000);
}

/* Its number, asked for when the first call comes: building a generation has no effect. */
static uint32_t number_of(struct call *call, struct call_breaker *breaker)
{
    if (!breaker->has_number) {
        breaker->number = breaker_number(breakers_of(call), slice_from_string(breaker->name));
        breaker->has_number = true;
    }
    return breaker->number;
}

static void note_refusal(struct call *call, const struct breaker_pass *pass)
{
    unsigned seconds = (unsigned)ceil(pass->retry_after_ms / 1000.0);

    if (seconds == 0)
        seconds = 1;
    if (seconds > call->record.retry_after_seconds)
        call->record.retry_after_seconds = seconds;
}

static bool admit(struct call *call, struct call_pass *each, struct call_breaker *breaker)
{
    uint32_t number = number_of(call, breaker);
    struct breaker_pass pass =
        breaker_admit(breakers_of(call), number, &breaker->options.numbers, now_ms(call));

    if (!pass.is_refused) {
        *each = (struct call_pass){breaker, pass};
        return true;
    }
    if (breaker->options.is_report_only)
        return true;
    note_refusal(call, &pass);
    return false;
}

bool call_breakers_admit(struct call *call)
{
    struct call_breaker *breakers[BREAKERS_OF_A_CALL] = {call->options->breaker,
                                                         &call->cluster->breaker};
    bool is_admitted = true;

    if ((breakers[0] == NULL && breakers[1]->name == NULL) || breakers_of(call) == NULL)
        return true;
    call->passes = arena_zeroed(call->stream.arena, sizeof(*call->passes));
    for (size_t i = 0; i < BREAKERS_OF_A_CALL && is_admitted; i++) {
        if (breakers[i] != NULL && breakers[i]->name != NULL)
            is_admitted = admit(call, &call->passes->each[i], breakers[i]);
    }
    return is_admitted;
}

/* Who the client is, what the gateway itself wants, and other breakers are not the upstream's. */
static bool is_upstreams(enum fault fault)
{
    return fault_proxy_status(fault) != NULL && fault != FAULT_CIRCUIT_OPEN &&
           fault != FAULT_UPSTREAM_OVERLOADED && fault != FAULT_UPSTREAM_QUEUE_TIMEOUT &&
           fault != FAULT_INTERNAL;
}

static enum breaker_outcome outcome_of(const struct call *call, const struct call_breaker *breaker,
                                       enum fault fault, int status)
{
    double limit = breaker->options.slow_seconds;
    double seconds = loop_monotonic(call_loop(call)) - call->started - call->record.queue_seconds;
    bool is_slow = limit > 0 && seconds > limit;

    if (call_admission_is_waiting(call))
        return BREAKER_UNKNOWN; /* whom nobody has asked has not failed */
    if (fault != FAULT_NONE && !is_upstreams(fault))
        return is_slow ? BREAKER_WAS_SLOW : BREAKER_UNKNOWN;
    if (fault != FAULT_NONE || status >= 500)
        return is_slow ? BREAKER_FAILED_SLOWLY : BREAKER_FAILED;
    return is_slow ? BREAKER_WAS_SLOW : BREAKER_WENT_WELL;
}

static void log_change(const struct call_breaker *breaker, enum breaker_change change)
{
    const char *also = breaker->options.is_report_only ? " (report only)" : "";

    if (change == BREAKER_OPENED)
        log_write(LOG_WARNING,
                  "circuit breaker \"%s\" is open%s: too many requests fail or take too long",
                  breaker->name, also);
    else if (change == BREAKER_CLOSED_AGAIN)
        log_write(LOG_INFO, "circuit breaker \"%s\" is closed again%s", breaker->name, also);
}

static void tell(struct call *call, struct call_pass *each, enum fault fault, int status)
{
    struct call_breaker *breaker = each->breaker;

    each->breaker = NULL;
    if (breaker->name == NULL)
        return; /* configured away meanwhile */
    enum breaker_outcome outcome = outcome_of(call, breaker, fault, status);
    log_change(breaker, breaker_report(breakers_of(call), &breaker->options.numbers, &each->pass,
                                       outcome, now_ms(call)));
}

void call_breakers_report(struct call *call, enum fault fault, int status)
{
    if (call->passes == NULL)
        return;
    for (size_t i = 0; i < BREAKERS_OF_A_CALL; i++) {
        if (call->passes->each[i].breaker != NULL)
            tell(call, &call->passes->each[i], fault, status);
    }
}
