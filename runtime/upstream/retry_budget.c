/*
 * retry_budget — two half windows that take turns: counting costs two additions.
 */
#include "upstream/retry_budget.h"

#include <assert.h>

#define HALF_SECONDS (RETRY_BUDGET_SECONDS / 2)

void retry_budget_configure(struct retry_budget *budget, double ratio, unsigned per_second_min)
{
    assert(ratio >= 0);
    budget->ratio = ratio;
    budget->per_second_min = per_second_min;
}

static void roll(struct retry_budget *budget, double now)
{
    double age = now - budget->window_started;

    if (age < HALF_SECONDS)
        return;
    bool is_next = age < RETRY_BUDGET_SECONDS;
    budget->requests[1] = is_next ? budget->requests[0] : 0;
    budget->retries[1] = is_next ? budget->retries[0] : 0;
    budget->requests[0] = budget->retries[0] = 0;
    budget->window_started = is_next ? budget->window_started + HALF_SECONDS : now;
}

void retry_budget_count(struct retry_budget *budget, double now)
{
    roll(budget, now);
    budget->requests[0]++;
}

static bool is_within_share(const struct retry_budget *budget)
{
    double requests = (double)(budget->requests[0] + budget->requests[1]);
    double retries = (double)(budget->retries[0] + budget->retries[1]);
    return retries + 1 <= requests * budget->ratio;
}

static bool is_within_second(struct retry_budget *budget, double now)
{
    if (now - budget->second_started >= 1) {
        budget->second_started = now;
        budget->retries_in_second = 0;
    }
    return budget->retries_in_second < budget->per_second_min;
}

bool retry_budget_take(struct retry_budget *budget, double now)
{
    roll(budget, now);
    if (!is_within_second(budget, now) && !is_within_share(budget))
        return false;
    budget->retries[0]++;
    budget->retries_in_second++;
    return true;
}
