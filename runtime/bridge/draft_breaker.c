/*
 * draft_breaker — a circuit breaker of the configuration, as upstreams and routes may have one.
 */
#include "bridge/draft.h"
#include "bridge/exports.h"

/* More than every share there is: it is not judged by that. */
#define SHARE_NONE 2

static uint32_t milliseconds(const struct draft *draft, int which)
{
    double ms = draft_number(draft, which, 0) * 1000;

    if (ms < BREAKER_BUCKETS)
        return BREAKER_BUCKETS;
    return ms > BREAKER_MS_MAX ? BREAKER_MS_MAX : (uint32_t)ms;
}

static uint32_t whole(const struct draft *draft, int which, uint32_t limit)
{
    uint64_t number = draft_count(draft, which, 1);

    if (number == 0)
        return 1;
    return number > limit ? limit : (uint32_t)number;
}

static double share(const struct draft *draft, int which)
{
    double number = draft_number(draft, which, 0);
    return number > 0 ? number : SHARE_NONE;
}

const struct call_breaker_options *draft_breaker(const struct draft *draft,
                                                 struct call_breaker_options *options)
{
    if (!draft->has_number[MOON_BUILD_BREAKER_WINDOW])
        return NULL;
    double slow_seconds = draft_number(draft, MOON_BUILD_BREAKER_SLOW, 0);
    *options = (struct call_breaker_options){
        .numbers = {.window_ms = milliseconds(draft, MOON_BUILD_BREAKER_WINDOW),
                    .open_ms = milliseconds(draft, MOON_BUILD_BREAKER_OPEN),
                    .minimum = whole(draft, MOON_BUILD_BREAKER_MINIMUM, BREAKER_MINIMUM_MAX),
                    .probes = whole(draft, MOON_BUILD_BREAKER_PROBES, BREAKER_PROBES_MAX),
                    .failed_share = share(draft, MOON_BUILD_BREAKER_FAILURES),
                    .slow_share = slow_seconds > 0 ? share(draft, MOON_BUILD_BREAKER_SLOW_SHARE)
                                                   : SHARE_NONE},
        .slow_seconds = slow_seconds,
        .is_report_only = draft_number(draft, MOON_BUILD_BREAKER_REPORT_ONLY, 0) != 0,
    };
    return options;
}
