/*
 * export_request — texts and numbers of one exchange for Lua; what Lua may change of what goes
 * upstream.
 */
#include "bridge/decision.h"
#include "bridge/exports.h"
#include "bridge/generation_clusters.h"
#include "bridge/numbers.h"
#include "gateway/exchange_deadline.h"
#include "gateway/gateway.h"
#include "gateway/outbound.h"
#include "http/uri.h"

#define REQUEST_ID_BYTES_MAX 128

static struct slice fault_slice(enum fault fault)
{
    return fault == FAULT_NONE ? SLICE_NONE : slice_from_string(fault_type(fault));
}

static struct slice request_text(struct exchange *exchange, int which)
{
    const struct request *request = exchange->request;

    if (request == NULL)
        return SLICE_NONE;
    switch (which) {
    case MOON_TEXT_METHOD:
        return request->method_name;
    case MOON_TEXT_TARGET:
        return request->target;
    case MOON_TEXT_PATH:
        return request->path;
    case MOON_TEXT_SCHEME:
        return request->scheme;
    case MOON_TEXT_HOST:
        return request->host;
    case MOON_TEXT_AUTHORITY:
        return request->authority;
    case MOON_TEXT_QUERY:
        return exchange->forward_query.start != NULL ? exchange->forward_query : request->query;
    case MOON_TEXT_UPGRADE:
        return request->upgrade;
    case MOON_TEXT_FORWARD_PATH:
        return exchange->forward_path.start != NULL ? exchange->forward_path : request->path;
    case MOON_TEXT_OUTBOUND_PATH:
        return outbound_path(exchange);
    case MOON_TEXT_OUTBOUND_HOST:
        return outbound_host(exchange);
    default:
        return SLICE_NONE;
    }
}

static struct slice connection_text(struct exchange *exchange, int which)
{
    const struct downstream *connection = exchange->connection;

    switch (which) {
    case MOON_TEXT_ADDRESS:
        return exchange->client_host;
    case MOON_TEXT_PEER:
        return connection == NULL ? SLICE_NONE : downstream_client(connection);
    case MOON_TEXT_LISTENER:
        return connection == NULL || connection->listen == NULL ? SLICE_NONE
                                                                : connection->listen->name;
    default:
        return SLICE_NONE;
    }
}

static struct slice outcome_text(struct exchange *exchange, int which)
{
    const struct call_record *record = exchange_call_record(exchange);

    switch (which) {
    case MOON_TEXT_REASON:
        return exchange->response != NULL ? exchange->response->reason : SLICE_NONE;
    case MOON_TEXT_FAULT:
        return fault_slice(exchange->fault);
    case MOON_TEXT_TARGET_ADDRESS:
        return record->target;
    case MOON_TEXT_TARGET_FAULT:
        return fault_slice(record->fault);
    case MOON_TEXT_TARGET_DETAIL:
        return record->detail != NULL ? slice_from_string(record->detail) : SLICE_NONE;
    case MOON_TEXT_OVERTAKEN:
        return record->overtaken;
    default:
        return SLICE_NONE;
    }
}

static struct slice route_text(struct exchange *exchange, int which)
{
    switch (which) {
    case MOON_TEXT_ID:
        return exchange_id(exchange);
    case MOON_TEXT_TRACE_ID:
        return exchange->trace_id;
    case MOON_TEXT_ROUTE:
        return exchange->route != NULL ? exchange->route->name : SLICE_NONE;
    case MOON_TEXT_ROUTE_SOURCE:
        return exchange->route != NULL ? exchange->route->source : SLICE_NONE;
    case MOON_TEXT_UPSTREAM:
        return exchange->cluster != NULL ? cluster_name(exchange->cluster) : SLICE_NONE;
    default:
        return SLICE_NONE;
    }
}

static struct slice (*const TEXTS[])(struct exchange *exchange, int which) = {
    [MOON_TEXT_METHOD] = request_text,         [MOON_TEXT_TARGET] = request_text,
    [MOON_TEXT_PATH] = request_text,           [MOON_TEXT_QUERY] = request_text,
    [MOON_TEXT_SCHEME] = request_text,         [MOON_TEXT_HOST] = request_text,
    [MOON_TEXT_AUTHORITY] = request_text,      [MOON_TEXT_FORWARD_PATH] = request_text,
    [MOON_TEXT_ADDRESS] = connection_text,     [MOON_TEXT_PEER] = connection_text,
    [MOON_TEXT_LISTENER] = connection_text,    [MOON_TEXT_ID] = route_text,
    [MOON_TEXT_TRACE_ID] = route_text,         [MOON_TEXT_ROUTE] = route_text,
    [MOON_TEXT_ROUTE_SOURCE] = route_text,     [MOON_TEXT_UPSTREAM] = route_text,
    [MOON_TEXT_REASON] = outcome_text,         [MOON_TEXT_FAULT] = outcome_text,
    [MOON_TEXT_TARGET_ADDRESS] = outcome_text, [MOON_TEXT_TARGET_FAULT] = outcome_text,
    [MOON_TEXT_TARGET_DETAIL] = outcome_text,  [MOON_TEXT_UPGRADE] = request_text,
    [MOON_TEXT_OUTBOUND_PATH] = request_text,  [MOON_TEXT_OUTBOUND_HOST] = request_text,
    [MOON_TEXT_OVERTAKEN] = outcome_text,
};

bool moon_text(struct exchange *exchange, int which, struct slice *text)
{
    if ((unsigned)which >= sizeof(TEXTS) / sizeof(TEXTS[0]) || TEXTS[which] == NULL)
        return false;
    *text = TEXTS[which](exchange, which);
    return text->start != NULL && (which == MOON_TEXT_QUERY || text->length > 0);
}

static double duration(const struct exchange *exchange)
{
    double until =
        exchange->ended > 0 ? exchange->ended : loop_now(gateway_loop(exchange->gateway));
    return until > exchange->started ? until - exchange->started : 0;
}

static double length(uint64_t bytes)
{
    return bytes == MESSAGE_LENGTH_UNKNOWN ? -1 : (double)bytes;
}

static double field_count(const struct headers *headers)
{
    uint32_t at = 0;
    double count = 0;

    while (headers_next(headers, &at) != NULL)
        count++;
    return count;
}

static double request_number(const struct exchange *exchange, int which)
{
    const struct request *request = exchange->request;

    if (which == MOON_NUMBER_HAS_REQUEST)
        return request != NULL;
    if (request == NULL)
        return -1;
    switch (which) {
    case MOON_NUMBER_METHOD:
        return request->method;
    case MOON_NUMBER_MINOR_VERSION:
        return request->minor_version;
    case MOON_NUMBER_PORT:
        return request->port;
    case MOON_NUMBER_CONTENT_LENGTH:
        return request->body == BODY_NONE ? 0 : length(request->content_length);
    case MOON_NUMBER_TARGET_BYTES:
        return (double)request->target.length;
    case MOON_NUMBER_HEADER_BYTES:
        return (double)request->headers.bytes;
    case MOON_NUMBER_HEADER_COUNT:
        return field_count(&request->headers);
    default:
        return -1;
    }
}

static double response_number(const struct exchange *exchange, int which)
{
    const struct response *response = exchange->response;

    switch (which) {
    case MOON_NUMBER_HAS_RESPONSE:
        return response != NULL;
    case MOON_NUMBER_STATUS:
        return response != NULL ? response->status : -1;
    case MOON_NUMBER_RESPONSE_LENGTH:
        return response != NULL ? length(response->content_length) : -1;
    case MOON_NUMBER_IS_ABORTED:
        return exchange->is_aborted;
    case MOON_NUMBER_IS_GATEWAY_MADE:
        return exchange->is_gateway_made;
    case MOON_NUMBER_BYTES_IN:
        return (double)exchange->request_body_bytes;
    case MOON_NUMBER_BYTES_OUT:
        return (double)exchange->response_body_bytes;
    case MOON_NUMBER_STARTED:
        return exchange->started;
    case MOON_NUMBER_DURATION:
        return duration(exchange);
    case MOON_NUMBER_RESPONDED_AFTER:
        return exchange->responded > 0 ? exchange->responded - exchange->started : -1;
    case MOON_NUMBER_BODY_MAX:
        return (double)exchange->body_bytes_max;
    case MOON_NUMBER_PHASES:
        return exchange->phases;
    case MOON_NUMBER_TIME_LEFT:
        return exchange_deadline_left(exchange);
    case MOON_NUMBER_NO_BODY:
        return response == NULL || response->body == BODY_NONE;
    default:
        return -1;
    }
}

static double attempt_number(const struct exchange *exchange, int which)
{
    const struct call_record *record = exchange_call_record(exchange);

    switch (which) {
    case MOON_NUMBER_ATTEMPTS:
        return record->attempts;
    case MOON_NUMBER_CONNECT_SECONDS:
        return record->connect_seconds;
    case MOON_NUMBER_RESPONSE_SECONDS:
        return record->response_seconds > 0 ? record->response_seconds : -1;
    case MOON_NUMBER_IS_REUSED:
        return record->is_reused;
    case MOON_NUMBER_HEDGES:
        return record->hedges;
    case MOON_NUMBER_IS_HEDGE:
        return record->is_hedge;
    case MOON_NUMBER_QUEUE_SECONDS:
        return record->queue_seconds > 0 ? record->queue_seconds : -1;
    default:
        return -1;
    }
}

double moon_number(struct exchange *exchange, int which)
{
    if (which <= MOON_NUMBER_HAS_REQUEST)
        return request_number(exchange, which);
    if (which <= MOON_NUMBER_TIME_LEFT)
        return response_number(exchange, which);
    return attempt_number(exchange, which);
}

bool moon_set_path(struct exchange *exchange, const char *path, size_t path_length)
{
    struct slice given = exports_slice(path, path_length), normal;

    if (given.length == 0 || given.start[0] != '/' || slice_find(given, '?') < given.length ||
        slice_find(given, '#') < given.length)
        return false;
    given = arena_copy(&exchange->arena, given);
    if (!uri_normalise_path(given, &exchange->arena, &normal))
        return false;
    exchange->forward_path = normal;
    return true;
}

bool moon_set_query(struct exchange *exchange, const char *query, size_t query_length)
{
    struct slice given = exports_slice(query, query_length);

    for (size_t i = 0; i < given.length; i++) {
        if (given.start[i] <= ' ' || given.start[i] > '~' || strchr("\"#<>\\^`{|}", given.start[i]))
            return false;
    }
    exchange->forward_query = given.length > 0 ? arena_copy(&exchange->arena, given) : SLICE("");
    return true;
}

bool moon_set_id(struct exchange *exchange, const char *id, size_t id_length)
{
    struct slice given = exports_slice(id, id_length);

    if (given.length == 0 || given.length > REQUEST_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < given.length; i++) {
        if (given.start[i] <= ' ' || given.start[i] > '~')
            return false;
    }
    exchange->id = arena_copy(&exchange->arena, given);
    return true;
}

bool moon_set_upstream(struct exchange *exchange, const char *name, size_t name_length)
{
    const struct generation *generation = exchange->generation;
    int found = generation_clusters_find(generation, exports_slice(name, name_length));

    if (found < 0)
        return false;
    exchange->cluster = generation->clusters[found].cluster;
    exchange->is_rerouted = true;
    return true;
}

void moon_set_authenticated(struct exchange *exchange)
{
    exchange->is_authenticated = true;
}

void moon_set_consumer(struct exchange *exchange, const char *name, size_t length)
{
    exchange->is_authenticated = true;
    decision_of(exchange)->consumer =
        name != NULL ? arena_copy(&exchange->arena, slice_of(name, length)) : SLICE_NONE;
}

void moon_set_consumer_number(struct exchange *exchange, int consumer)
{
    exchange->is_authenticated = true;
    decision_of(exchange)->consumer = consumers_name(exchange->generation->consumers, consumer);
}

void moon_cache_use(struct exchange *exchange)
{
    exchange->cache = exchange->route != NULL ? exchange->route->cache : NULL;
}

void moon_cache_consumer(struct exchange *exchange, const char *name, size_t name_length)
{
    exchange->cache_consumer = arena_copy(&exchange->arena, exports_slice(name, name_length));
}

void moon_cache_skip(struct exchange *exchange)
{
    exchange->cache = NULL;
}

bool moon_limit_body(struct exchange *exchange, double bytes)
{
    const struct request *request = exchange->request;
    uint64_t bytes_max = whole(bytes);

    if (bytes_max < exchange->body_bytes_max)
        exchange->body_bytes_max = bytes_max;
    return request->body != BODY_LENGTH || request->content_length <= bytes_max;
}

bool moon_set_body(struct exchange *exchange, const char *bytes, size_t bytes_length)
{
    if (exchange->step != EXCHANGE_DECIDING)
        return false;
    exchange_replace_body(exchange, exports_slice(bytes, bytes_length));
    return true;
}
