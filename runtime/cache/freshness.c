/*
 * freshness — sums of seconds: those of messages are whole, ours are not.
 */
#include "cache/freshness.h"

#include <math.h>

#include "http/http_date.h"
#include "http/octet.h"

/* ---- age ---- */

/*
 * RFC 9111, 5.1 lets a cache take the first of several values, and ignore what is no number; an
 * answer that nobody knows the age of is as good as stale, so we do neither.
 */
int64_t freshness_age_field(const struct headers *headers)
{
    const struct header *header = headers_find_known(headers, HEADER_AGE);
    int64_t age = 0;

    if (header == NULL)
        return 0;
    struct slice text = slice_trimmed(header->value);
    if (text.length == 0 || headers_find_next(headers, header) != NULL)
        return CACHE_SECONDS_MAX;
    for (size_t i = 0; i < text.length; i++) {
        if (!octet_is(text.start[i], OCTET_DIGIT))
            return CACHE_SECONDS_MAX;
        age = age * 10 + (text.start[i] - '0');
        if (age > CACHE_SECONDS_MAX)
            age = CACHE_SECONDS_MAX;
    }
    return age;
}

static bool read_date(const struct headers *headers, enum header_id id, double now, int64_t *date)
{
    const struct header *header = headers_find_known(headers, id);

    return header != NULL && http_date_parse(header->value, (int64_t)now, date);
}

int64_t freshness_date(const struct headers *headers, double received)
{
    int64_t date;
    return read_date(headers, HEADER_DATE, received, &date) ? date : (int64_t)floor(received);
}

/* corrected_initial_age (RFC 9111, 4.2.3). Dates are whole seconds, so the time that they are
 * compared with is, too. */
static double initial_age(const struct headers *headers, struct cache_times times)
{
    double received = times.received, delay = received - times.requested;
    double apparent = floor(received) - (double)freshness_date(headers, received);
    double corrected = (double)freshness_age_field(headers) + (delay > 0 ? delay : 0);

    return apparent > corrected ? apparent : corrected;
}

double freshness_age(const struct freshness *freshness, double now)
{
    double resident = now - freshness->received;
    return freshness->initial_age + (resident > 0 ? resident : 0);
}

/* ---- lifetime ---- */

/* Lines that differ, and what is no date, are in the past (RFC 9111, 4.2.1, 5.3). */
static double lifetime_of_expires(const struct headers *headers, double received)
{
    const struct header *first = headers_find_known(headers, HEADER_EXPIRES), *other = first;
    int64_t expires;

    while ((other = headers_find_next(headers, other)) != NULL) {
        if (!slice_equals(first->value, other->value))
            return 0;
    }
    if (!read_date(headers, HEADER_EXPIRES, received, &expires))
        return 0;
    int64_t lifetime = expires - freshness_date(headers, received);
    return lifetime > 0 ? (double)lifetime : 0;
}

static bool has_expires(const struct response *response)
{
    return headers_find_known(&response->headers, HEADER_EXPIRES) != NULL;
}

/* False: nothing in the answer says its lifetime. */
static bool explicit_lifetime(const struct response *response, const struct cache_control *control,
                              double received, double *lifetime)
{
    bool is_targeted =
        control->field.start != NULL && header_id_of(control->field) != HEADER_CACHE_CONTROL;

    if (cache_control_has(control, CACHE_S_MAXAGE))
        *lifetime = (double)control->s_maxage;
    else if (cache_control_has(control, CACHE_MAX_AGE))
        *lifetime = (double)control->max_age;
    else if (!is_targeted && has_expires(response))
        *lifetime = lifetime_of_expires(&response->headers, received);
    else
        return false;
    return true;
}

/* Cacheable by default (RFC 9110, 15.1), without 206, which is not stored. */
static bool is_heuristic_status(int status)
{
    switch (status) {
    case 200:
    case 203:
    case 204:
    case 300:
    case 301:
    case 308:
    case 404:
    case 405:
    case 410:
    case 414:
    case 501:
        return true;
    default:
        return false;
    }
}

static bool policy_lifetime(const struct cache_policy *policy, int status, double *lifetime)
{
    for (size_t i = 0; i < policy->ttl_count; i++) {
        if (status >= policy->ttls[i].first && status <= policy->ttls[i].last) {
            *lifetime = policy->ttls[i].seconds;
            return true;
        }
    }
    if (policy->ttl < 0 || !is_heuristic_status(status))
        return false;
    *lifetime = policy->ttl;
    return true;
}

/* A share of how long it had not changed when it came (RFC 9111, 4.2.2). */
static bool heuristic_lifetime(const struct cache_policy *policy, const struct response *response,
                               const struct cache_control *control, double received,
                               double *lifetime)
{
    int64_t modified;

    if (!is_heuristic_status(response->status) && !cache_control_has(control, CACHE_PUBLIC))
        return false;
    if (!read_date(&response->headers, HEADER_LAST_MODIFIED, received, &modified))
        return false;
    int64_t since = freshness_date(&response->headers, received) - modified;
    *lifetime = since > 0 ? (double)since * policy->heuristic_share : 0;
    if (*lifetime > policy->heuristic_max)
        *lifetime = policy->heuristic_max;
    return true;
}

static void set_lifetime(struct freshness *freshness, const struct cache_policy *policy,
                         const struct response *response, const struct cache_control *control)
{
    double *lifetime = &freshness->lifetime, received = freshness->received;

    if ((policy->is_ttl_forced && policy_lifetime(policy, response->status, lifetime)) ||
        explicit_lifetime(response, control, received, lifetime) ||
        policy_lifetime(policy, response->status, lifetime))
        freshness->flags |= FRESHNESS_IS_EXPLICIT;
    else if (heuristic_lifetime(policy, response, control, received, lifetime))
        freshness->flags |= FRESHNESS_IS_HEURISTIC;
    if (policy->lifetime_max >= 0 && *lifetime > policy->lifetime_max)
        *lifetime = policy->lifetime_max;
}

/* ---- after the lifetime ---- */

static void set_flags(struct freshness *freshness, const struct cache_policy *policy,
                      const struct cache_control *control)
{
    bool says_stale =
        cache_control_has(control, CACHE_STALE_WHILE_REVALIDATE | CACHE_STALE_IF_ERROR);

    if (cache_control_has(control, CACHE_MUST_REVALIDATE | CACHE_PROXY_REVALIDATE))
        freshness->flags |= FRESHNESS_MUST_REVALIDATE;
    if (cache_control_has(control, CACHE_S_MAXAGE) &&
        !(policy->is_stale_after_s_maxage && says_stale))
        freshness->flags |= FRESHNESS_MUST_REVALIDATE;
    if (cache_control_has(control, CACHE_NO_CACHE))
        freshness->flags |= FRESHNESS_NO_CACHE;
    if (cache_control_has(control, CACHE_IMMUTABLE))
        freshness->flags |= FRESHNESS_IS_IMMUTABLE;
}

static double not_negative(double seconds)
{
    return seconds > 0 ? seconds : 0;
}

static void set_windows(struct freshness *freshness, const struct cache_policy *policy,
                        const struct response *response, const struct cache_control *control)
{
    const uint64_t validators = HEADERS_BIT(HEADER_ETAG) | HEADERS_BIT(HEADER_LAST_MODIFIED);

    if ((response->headers.ids & validators) != 0)
        freshness->keep = not_negative(policy->keep);
    if ((freshness->flags & (FRESHNESS_MUST_REVALIDATE | FRESHNESS_NO_CACHE)) != 0)
        return;
    freshness->stale_while_revalidate = cache_control_has(control, CACHE_STALE_WHILE_REVALIDATE)
                                            ? (double)control->stale_while_revalidate
                                            : not_negative(policy->grace);
    freshness->stale_if_error = cache_control_has(control, CACHE_STALE_IF_ERROR)
                                    ? (double)control->stale_if_error
                                    : not_negative(policy->stale_if_error);
}

void freshness_of(struct freshness *freshness, const struct cache_policy *policy,
                  const struct response *response, const struct cache_control *control,
                  struct cache_times times)
{
    *freshness = (struct freshness){.received = times.received};
    freshness->initial_age = initial_age(&response->headers, times);
    set_lifetime(freshness, policy, response, control);
    set_flags(freshness, policy, control);
    set_windows(freshness, policy, response, control);
}

double freshness_kept(const struct freshness *freshness, double now)
{
    double window = freshness->keep;

    if (freshness->stale_while_revalidate > window)
        window = freshness->stale_while_revalidate;
    if (freshness->stale_if_error > window)
        window = freshness->stale_if_error;
    return freshness_left(freshness, now) + window;
}
