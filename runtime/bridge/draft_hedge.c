/*
 * draft_hedge — the hedging of the configuration, as upstreams and routes may have it.
 */
#include "bridge/draft.h"
#include "bridge/exports.h"

bool draft_hedge(const struct draft *draft, struct hedge_rules *rules)
{
    *rules = (struct hedge_rules){.attempts = 0};
    if (!draft->has_number[MOON_BUILD_HEDGE_ATTEMPTS])
        return false;
    uint64_t attempts = draft_count(draft, MOON_BUILD_HEDGE_ATTEMPTS, 0);
    *rules = (struct hedge_rules){
        .attempts = attempts < HEDGE_ATTEMPTS_MAX ? (unsigned)attempts : HEDGE_ATTEMPTS_MAX,
        .after_seconds = draft_number(draft, MOON_BUILD_HEDGE_SECONDS, 0),
        .after_quantile = draft_number(draft, MOON_BUILD_HEDGE_QUANTILE, 0),
        .share = draft_number(draft, MOON_BUILD_HEDGE_SHARE, 0),
        .is_report_only = draft_number(draft, MOON_BUILD_HEDGE_REPORT_ONLY, 0) != 0,
    };
    return true;
}
