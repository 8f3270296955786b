/*
 * storability — one question after the other, the cheap ones first.
 */
#include "cache/storability.h"

#include "cache/cache_key.h"
#include "cache/variant.h"

/* A final status, whose meaning a cache has to know where the answer says must-understand. */
static bool is_understood(int status)
{
    switch (status) {
    case 200:
    case 203:
    case 204:
    case 300:
    case 301:
    case 302:
    case 303:
    case 307:
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

/* 206 would have to be joined with other parts, 304 freshens; 1xx are no answers. */
static bool is_storable_status(int status)
{
    return status >= 200 && status != 206 && status != 304 && status != 416;
}

/* The answer to a POST is one to GET where it says so itself (RFC 9110, 9.3.3). */
static bool is_of_own_uri(const struct cache_request *asked, const struct response *response,
                          struct arena *arena)
{
    const struct header *header = headers_find_known(&response->headers, HEADER_CONTENT_LOCATION);
    struct slice uri, own;

    if (header == NULL || headers_find_next(&response->headers, header) != NULL)
        return false;
    own = cache_key_uri(asked, arena);
    uri = cache_key_of_reference(asked, header->value, arena);
    return uri.start != NULL && own.start != NULL && slice_equals(uri, own);
}

/* no-store does not count beside must-understand where the status is understood (RFC 9111,
 * 5.2.2.3). */
static enum storability directives_of(const struct cache_control *control, int status)
{
    if (cache_control_has(control, CACHE_MUST_UNDERSTAND)) {
        if (!is_understood(status))
            return UNSTORABLE_STATUS;
    } else if (cache_control_has(control, CACHE_NO_STORE)) {
        return UNSTORABLE_NO_STORE;
    }
    return cache_control_has(control, CACHE_PRIVATE) ? UNSTORABLE_PRIVATE : STORABLE;
}

/* Whoever else asks with other credentials has another key. What a plugin has taken off the
 * request is in no key. */
static bool is_keyed_by_credentials(const struct cache_request *asked)
{
    const struct cache_policy *policy = asked->policy;

    if (policy->is_key_by_consumer && asked->context.consumer.length > 0)
        return true;
    if (headers_find_known(&asked->request->headers, HEADER_AUTHORIZATION) == NULL)
        return false;
    for (size_t i = 0; i < policy->key_header_count; i++) {
        if (policy->key_headers[i].id == HEADER_AUTHORIZATION)
            return true;
    }
    return false;
}

/* RFC 9111, 3.5. */
static bool permits_authorization(const struct cache_request *asked,
                                  const struct cache_control *control)
{
    return cache_control_has(control, CACHE_PUBLIC | CACHE_MUST_REVALIDATE | CACHE_S_MAXAGE) ||
           is_keyed_by_credentials(asked);
}

static bool has_set_cookie(const struct response *response)
{
    return headers_find_known(&response->headers, HEADER_SET_COOKIE) != NULL;
}

/* Without a lifetime and without a way to be validated nobody could ever use it. */
static bool is_of_use(const struct freshness *freshness, double received)
{
    return freshness_kept(freshness, received) > 0 &&
           ((freshness->flags & FRESHNESS_NO_CACHE) == 0 || freshness->keep > 0);
}

static enum storability head_of(const struct cache_request *asked, const struct response *response,
                                const struct storable *storable)
{
    enum storability directives = directives_of(&storable->control, response->status);

    if (!is_storable_status(response->status))
        return UNSTORABLE_STATUS;
    if (directives != STORABLE)
        return directives;
    if (cache_request_is_of_caller(asked) && !permits_authorization(asked, &storable->control))
        return UNSTORABLE_AUTHORIZATION;
    if (asked->policy->set_cookie == CACHE_SET_COOKIE_PASS && has_set_cookie(response))
        return UNSTORABLE_SET_COOKIE;
    if (response->body == BODY_LENGTH && response->content_length > asked->policy->object_bytes_max)
        return UNSTORABLE_SIZE;
    return STORABLE;
}

enum storability storability_of(const struct cache_request *asked, const struct response *response,
                                struct cache_times times, struct arena *arena,
                                struct storable *storable)
{
    const struct cache_policy *policy = asked->policy;

    *storable = (struct storable){.vary = SLICE("")};
    if (!asked->may_store)
        return UNSTORABLE_REQUEST;
    cache_control_read_targeted(&storable->control, &response->headers, policy->targeted,
                                policy->targeted_count, arena);
    enum storability storability = head_of(asked, response, storable);
    if (storability != STORABLE)
        return storability;
    if (variant_names(&response->headers, 0, arena, &storable->vary) == VARIANT_ALWAYS)
        return UNSTORABLE_VARY;
    freshness_of(&storable->freshness, policy, response, &storable->control, times);
    if (!is_of_use(&storable->freshness, times.received))
        return UNSTORABLE_LIFETIME;
    if (asked->request->method == METHOD_POST &&
        ((storable->freshness.flags & FRESHNESS_IS_EXPLICIT) == 0 ||
         !is_of_own_uri(asked, response, arena)))
        return UNSTORABLE_REQUEST;
    return STORABLE;
}

const char *storability_text(enum storability storability)
{
    switch (storability) {
    case STORABLE:
        return NULL;
    case UNSTORABLE_REQUEST:
        return "request";
    case UNSTORABLE_STATUS:
        return "status";
    case UNSTORABLE_NO_STORE:
        return "no-store";
    case UNSTORABLE_PRIVATE:
        return "private";
    case UNSTORABLE_AUTHORIZATION:
        return "authorization";
    case UNSTORABLE_VARY:
        return "vary";
    case UNSTORABLE_SET_COOKIE:
        return "set-cookie";
    case UNSTORABLE_LIFETIME:
        return "no-lifetime";
    case UNSTORABLE_SIZE:
        return "size";
    }
    return NULL;
}
