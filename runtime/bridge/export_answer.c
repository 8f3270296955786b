/*
 * export_answer — replies that Lua hands over in parts, and changes to the response.
 */
#include "bridge/decision.h"
#include "bridge/exports.h"
#include "http/message.h"

#define STATUS_MIN 200
#define STATUS_MAX 599

static struct decision_answer *answer_of(struct exchange *exchange)
{
    return &decision_of(exchange)->answer;
}

void moon_answer_begin(struct exchange *exchange, int status)
{
    *answer_of(exchange) = (struct decision_answer){.status = status};
}

int moon_answer_header(struct exchange *exchange, const char *name, size_t name_length,
                       const char *value, size_t value_length)
{
    int outcome = moon_field_check(name, name_length, value, value_length);
    if (outcome != MOON_FIELD_OK)
        return outcome;
    struct slice field = arena_copy(&exchange->arena, exports_slice(name, name_length));
    struct slice text = arena_copy(&exchange->arena, exports_slice(value, value_length));
    bool fits = headers_add(&answer_of(exchange)->headers, &exchange->arena, field, text);
    return fits ? MOON_FIELD_OK : MOON_FIELD_FULL;
}

void moon_answer_body(struct exchange *exchange, const char *bytes, size_t length)
{
    answer_of(exchange)->body = arena_copy(&exchange->arena, exports_slice(bytes, length));
}

/* Scalars, as the FFI does not compile structs by value. */
/* NOLINTNEXTLINE(readability-function-size) */
void moon_answer_problem(struct exchange *exchange, const char *type, size_t type_length,
                         const char *detail, size_t detail_length, const char *extensions,
                         size_t extensions_length)
{
    struct arena *arena = &exchange->arena;
    struct decision_answer *answer = answer_of(exchange);

    answer->is_problem = true;
    answer->type = arena_copy(arena, exports_slice(type, type_length));
    answer->detail = arena_copy(arena, exports_slice(detail, detail_length));
    answer->extensions = arena_copy(arena, exports_slice(extensions, extensions_length));
}

void moon_answer_replace(struct exchange *exchange)
{
    struct reply reply = decision_reply(decision_of(exchange));
    exchange_replace_response(exchange, &reply);
}

void moon_body_replace(struct exchange *exchange, const char *bytes, size_t length)
{
    exchange_replace_response_body(exchange, exports_slice(bytes, length));
}

bool moon_set_status(struct exchange *exchange, int status, const char *reason, size_t length)
{
    struct response *response = exchange->response;
    struct slice text = exports_slice(reason, length);

    if (response == NULL || status < STATUS_MIN || status > STATUS_MAX || !headers_is_value(text))
        return false;
    /* A message that has a body cannot become one that may not have any, nor the other way round.
     */
    if (status_has_no_body(status) != status_has_no_body(response->status))
        return false;
    response->status = status;
    response->reason = reason != NULL ? arena_copy(&exchange->arena, text) : status_reason(status);
    return true;
}
