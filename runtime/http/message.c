/*
 * message — the registries behind it: methods and statuses.
 */
#include "http/message.h"

#include <assert.h>
#include <http_parser.h>

static const struct slice METHODS[METHOD_COUNT] = {
    [METHOD_OTHER] = {"", 0},      [METHOD_GET] = {"GET", 3},
    [METHOD_HEAD] = {"HEAD", 4},   [METHOD_POST] = {"POST", 4},
    [METHOD_PUT] = {"PUT", 3},     [METHOD_DELETE] = {"DELETE", 6},
    [METHOD_PATCH] = {"PATCH", 5}, [METHOD_OPTIONS] = {"OPTIONS", 7},
    [METHOD_TRACE] = {"TRACE", 5}, [METHOD_CONNECT] = {"CONNECT", 7},
};

enum method method_of(struct slice name)
{
    for (enum method method = METHOD_GET; method < METHOD_COUNT; method++) {
        if (slice_equals(METHODS[method], name))
            return method;
    }
    return METHOD_OTHER;
}

struct slice method_name_of(enum method method)
{
    assert((unsigned)method < METHOD_COUNT);
    return METHODS[method];
}

bool method_is_idempotent(enum method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE:
        return true;
    case METHOD_OTHER:
    case METHOD_POST:
    case METHOD_PATCH:
    case METHOD_CONNECT:
    case METHOD_COUNT:
        return false;
    }
    return false;
}

struct slice status_reason(int status)
{
    switch (status) {
#define STATUS_CASE(number, name, text) \
    case number:                        \
        return SLICE(#text);
        HTTP_STATUS_MAP(STATUS_CASE)
#undef STATUS_CASE
    case 103:
        return SLICE("Early Hints");
    case 425:
        return SLICE("Too Early");
    default:
        return SLICE("Unknown");
    }
}

bool status_has_no_body(int status)
{
    return (status >= 100 && status < 200) || status == 204 || status == 304;
}
