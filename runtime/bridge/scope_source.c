/*
 * scope_source — one case for each kind.
 */
#include "bridge/scope_source.h"

#include "bridge/decision.h"

static bool find(const struct scope_source *source, struct exchange *exchange, struct slice *text)
{
    const char *name = source->name.start;
    size_t length = source->name.length;

    switch (source->kind) {
    case MOON_SCOPE_GIVEN:
        *text = source->given;
        return text->start != NULL;
    case MOON_SCOPE_ADDRESS:
        *text = exchange->client_host;
        return text->length > 0;
    case MOON_SCOPE_ROUTE:
        return moon_text(exchange, MOON_TEXT_ROUTE, text);
    case MOON_SCOPE_CONSUMER:
        *text = decision_of(exchange)->consumer;
        return text->start != NULL;
    case MOON_SCOPE_HEADER:
        return moon_header_get(exchange, 0, source->id, name, length, text);
    case MOON_SCOPE_QUERY:
        return moon_query_get(exchange, name, length, text);
    case MOON_SCOPE_COOKIE:
        return moon_cookie_get(exchange, name, length, text);
    case MOON_SCOPE_PARAM:
        return moon_param_get(exchange, name, length, text);
    }
    return false;
}

bool scope_source_find(const struct scope_source *source, struct exchange *exchange,
                       struct slice *text)
{
    if (find(source, exchange, text))
        return true;
    *text = SLICE("");
    return false;
}
