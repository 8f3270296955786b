/*
 * reuse — fresh and wanted so, else stale and allowed so, else validated.
 */
#include "cache/reuse.h"

struct state {
    const struct cache_control *control; /* of the request */
    const struct freshness *freshness;
    double age, left;
};

static struct state state_of(const struct cache_request *asked, const struct freshness *freshness,
                             double now, bool is_purged)
{
    struct state state = {&asked->control, freshness, freshness_age(freshness, now), 0};

    state.left = freshness->lifetime - state.age;
    if (is_purged && state.left > 0)
        state.left = 0;
    return state;
}

/* Whether the client wants the origin's own word. */
static bool wants_validation(const struct state *state)
{
    const struct cache_control *control = state->control;
    bool is_settled = (state->freshness->flags & FRESHNESS_IS_IMMUTABLE) != 0 && state->left > 0;

    if (cache_control_has(control, CACHE_NO_CACHE))
        return true;
    /* max-age is how browsers reload; RFC 8246 lets that be, but not a forced reload. */
    if (cache_control_has(control, CACHE_MAX_AGE) && state->age > (double)control->max_age &&
        !is_settled)
        return true;
    return cache_control_has(control, CACHE_MIN_FRESH) && state->left > 0 &&
           state->left < (double)control->min_fresh;
}

static bool may_be_stale(const struct state *state)
{
    return (state->freshness->flags & (FRESHNESS_MUST_REVALIDATE | FRESHNESS_NO_CACHE)) == 0;
}

/* max-stale (RFC 9111, 5.2.1.2). */
static bool is_taken_stale(const struct state *state)
{
    return may_be_stale(state) && cache_control_has(state->control, CACHE_MAX_STALE) &&
           -state->left <= (double)state->control->max_stale;
}

static bool is_refreshed_later(const struct state *state)
{
    double window = state->freshness->stale_while_revalidate;
    return may_be_stale(state) && window > 0 && -state->left <= window;
}

static struct reuse_verdict decide(const struct state *state)
{
    if ((state->freshness->flags & FRESHNESS_NO_CACHE) != 0)
        return (struct reuse_verdict){REUSE_VALIDATE, CACHE_FORWARD_STALE};
    if (wants_validation(state))
        return (struct reuse_verdict){REUSE_VALIDATE, CACHE_FORWARD_REQUEST};
    if (state->left > 0)
        return (struct reuse_verdict){REUSE_FRESH, CACHE_FORWARD_NONE};
    if (is_refreshed_later(state))
        return (struct reuse_verdict){REUSE_REFRESH, CACHE_FORWARD_NONE};
    if (is_taken_stale(state))
        return (struct reuse_verdict){REUSE_STALE, CACHE_FORWARD_NONE};
    return (struct reuse_verdict){REUSE_VALIDATE, CACHE_FORWARD_STALE};
}

static bool is_only_if_cached(const struct cache_request *asked)
{
    return cache_control_has(&asked->control, CACHE_ONLY_IF_CACHED);
}

struct reuse_verdict reuse_decide(const struct cache_request *asked,
                                  const struct freshness *freshness, double now, bool is_purged)
{
    struct state state = state_of(asked, freshness, now, is_purged);
    struct reuse_verdict verdict = decide(&state);

    if (verdict.reuse == REUSE_VALIDATE && !is_purged && freshness_kept(freshness, now) <= 0)
        verdict = (struct reuse_verdict){REUSE_GONE, CACHE_FORWARD_STALE};
    if (!is_only_if_cached(asked))
        return verdict;
    if (verdict.reuse == REUSE_VALIDATE || verdict.reuse == REUSE_GONE)
        return (struct reuse_verdict){REUSE_UNAVAILABLE, CACHE_FORWARD_NONE};
    if (verdict.reuse == REUSE_REFRESH)
        verdict.reuse = REUSE_STALE;
    return verdict;
}

enum reuse reuse_of_nothing(const struct cache_request *asked)
{
    return is_only_if_cached(asked) ? REUSE_UNAVAILABLE : REUSE_GONE;
}

/* What a cache may take for the lack of an answer (RFC 5861, 4). */
static bool is_failure(int status)
{
    return status == 0 || status == 500 || status == 502 || status == 503 || status == 504;
}

static double error_window(const struct state *state)
{
    double window = state->freshness->stale_if_error;

    if (state->freshness->stale_while_revalidate > window)
        window = state->freshness->stale_while_revalidate;
    if (cache_control_has(state->control, CACHE_STALE_IF_ERROR) &&
        (double)state->control->stale_if_error > window)
        window = (double)state->control->stale_if_error;
    return window;
}

enum reuse_failure reuse_on_failure(const struct cache_request *asked,
                                    const struct freshness *freshness, double now, int status)
{
    struct state state = state_of(asked, freshness, now, false);

    if (!is_failure(status))
        return REUSE_FAILURE_PASS;
    if (!may_be_stale(&state))
        return status == 0 ? REUSE_FAILURE_TIMEOUT : REUSE_FAILURE_PASS;
    if (cache_control_has(state.control, CACHE_NO_CACHE))
        return REUSE_FAILURE_PASS;
    if (state.left > 0 || is_taken_stale(&state))
        return REUSE_FAILURE_STALE;
    double window = error_window(&state);
    return window > 0 && -state.left <= window ? REUSE_FAILURE_STALE : REUSE_FAILURE_PASS;
}
