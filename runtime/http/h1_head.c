/*
 * h1_head — from the parsed lines of a head to a message, rule by rule.
 */
#include "http/h1_head.h"

#include <assert.h>

#include "http/h1_fields.h"
#include "http/uri.h"

/* One head being made into a message. */
struct reading {
    struct slice head;
    const struct h1_head_reader *reader;
    struct arena *arena; /* the reader's */
    struct h1_parse parse;
    struct h1_fields fields;
    struct uri_authority authority; /* what request->authority consists of */
    bool is_host_plain;             /* see host_memory.h */
    const char *culprit;            /* where a fault lies; NULL: unknown */
};

/* What is read first sets the rest: it is large enough for clearing it to cost something. */
static void begin(struct reading *reading, struct slice head, const struct h1_head_reader *reader)
{
    reading->head = head;
    reading->reader = reader;
    reading->arena = reader->arena;
    reading->fields.culprit = NULL;
    reading->culprit = NULL;
}

static COLD enum fault refuse(struct reading *reading, enum fault fault, struct slice culprit)
{
    reading->culprit = culprit.start;
    return fault;
}

/* Of a rule of ours, or of http-parser where that gave up; what is missing has none. */
static COLD size_t culprit_offset(const struct reading *reading)
{
    const char *start = reading->head.start, *at = reading->culprit;
    if (at == NULL && reading->fields.culprit != NULL)
        at = reading->fields.culprit->name.start;
    if (at == NULL)
        at = reading->parse.culprit;
    bool is_inside = at >= start && at < start + reading->head.length;
    return is_inside ? (size_t)(at - start) : 0;
}

static struct slice lower(struct slice text, struct arena *arena)
{
    size_t i = 0;
    while (i < text.length && slice_lower(text.start[i]) == text.start[i])
        i++;
    if (i == text.length)
        return text;
    char *copy = arena_alloc(arena, text.length);
    for (i = 0; i < text.length; i++)
        copy[i] = slice_lower(text.start[i]);
    return slice_of(copy, text.length);
}

/* Host is there once in 1.1, and valid wherever it is (RFC 9112, 3.2). */
static enum fault read_host(struct reading *reading, struct request *request)
{
    const struct h1_fields *fields = &reading->fields;
    struct h1_opinions *opinions = reading->reader->opinions;
    struct host_memory *hosts = opinions != NULL ? h1_opinions_hosts(opinions) : NULL;

    request->authority = SLICE("");
    if (fields->host_count > 1)
        return refuse(reading, FAULT_REQUEST_MALFORMED, fields->host->name);
    if (fields->host == NULL)
        return request->minor_version == 0 ? FAULT_NONE : FAULT_REQUEST_MALFORMED;
    if (!host_memory_parse(hosts, fields->host->value, &reading->authority,
                           &reading->is_host_plain))
        return refuse(reading, FAULT_REQUEST_MALFORMED, fields->host->name);
    request->authority = fields->host->value;
    return FAULT_NONE;
}

static void split_authority(struct reading *reading, struct request *request)
{
    request->host = SLICE("");
    if (request->authority.length == 0)
        return;
    struct slice host = reading->authority.host;
    if (host.start[host.length - 1] == '.')
        host.length--;
    request->host = reading->is_host_plain ? host : lower(host, reading->arena);
    request->port = reading->authority.port;
}

static bool has_form_of_method(const struct uri *uri, enum method method)
{
    switch (uri->form) {
    case URI_ORIGIN:
    case URI_ABSOLUTE:
        return method != METHOD_CONNECT;
    case URI_ASTERISK:
        return method == METHOD_OPTIONS;
    case URI_AUTHORITY:
        return method == METHOD_CONNECT;
    }
    return false;
}

/* uri_parse() has found it valid. */
static void take_authority(struct reading *reading, struct slice authority, struct request *request)
{
    bool is_valid = uri_parse_authority(authority, &reading->authority);
    assert(is_valid);
    (void)is_valid;
    reading->is_host_plain = false;
    request->authority = authority;
}

/* The authority of an absolute form is the one that counts, for whoever looks at Host too. */
static bool take_absolute(struct reading *reading, const struct uri *uri, bool is_tls,
                          struct request *request)
{
    struct slice scheme = lower(uri->scheme, reading->arena);
    bool is_https = slice_equals(scheme, SLICE("https"));
    if (!is_https && !slice_equals(scheme, SLICE("http")))
        return false;
    if (is_https && !is_tls)
        return false;
    request->scheme = scheme;
    take_authority(reading, uri->authority, request);
    return headers_set_known(&request->headers, reading->arena, HEADER_HOST, uri->authority);
}

/* RFC 9112, 3.2.4: an absolute form that is the authority alone asks, in OPTIONS, for "*". */
static bool is_server_wide(const struct uri *uri, const struct request *request)
{
    if (uri->form == URI_ASTERISK)
        return true;
    const char *target_end = request->target.start + request->target.length;
    return uri->form == URI_ABSOLUTE && request->method == METHOD_OPTIONS &&
           uri->authority.start + uri->authority.length == target_end;
}

static enum fault read_target(struct reading *reading, bool is_tls, struct request *request)
{
    struct uri uri;
    if (!uri_parse(request->target, &uri) || !has_form_of_method(&uri, request->method))
        return refuse(reading, FAULT_REQUEST_MALFORMED, request->target);
    request->scheme = is_tls ? SLICE("https") : SLICE("http");
    request->path = uri.path;
    request->query = uri.query;
    if (uri.form == URI_ABSOLUTE && !take_absolute(reading, &uri, is_tls, request))
        return refuse(reading, FAULT_REQUEST_MALFORMED, request->target);
    if (uri.form == URI_AUTHORITY) {
        take_authority(reading, uri.authority, request);
        request->path = SLICE("");
        return FAULT_NONE;
    }
    if (is_server_wide(&uri, request)) {
        request->path = SLICE("*");
        return FAULT_NONE;
    }
    if (!uri_normalise_path(uri.path, reading->arena, &request->path))
        return refuse(reading, FAULT_REQUEST_MALFORMED, request->target);
    return FAULT_NONE;
}

/* A body would belong to the tunnel, or to nobody (RFC 9110, 9.3.6). */
static enum fault read_request_body(struct reading *reading, struct request *request)
{
    enum fault fault = h1_fields_frame_request(&reading->fields, &reading->parse.opinion, request);
    if (fault != FAULT_NONE)
        return fault;
    if (request->method != METHOD_CONNECT || request->body == BODY_NONE)
        return FAULT_NONE;
    if (request->body == BODY_STREAMED || request->content_length > 0)
        return FAULT_REQUEST_MALFORMED;
    request->body = BODY_NONE;
    request->content_length = MESSAGE_LENGTH_UNKNOWN;
    return FAULT_NONE;
}

static enum fault read_expectation(struct reading *reading, struct request *request)
{
    if (request->minor_version == 0)
        return FAULT_NONE;
    if (reading->fields.expects_other)
        return FAULT_EXPECTATION_FAILED;
    request->expects_continue = reading->fields.expects_continue && request->body != BODY_NONE;
    return FAULT_NONE;
}

static enum fault read_fields(struct reading *reading, const struct headers *headers,
                              enum fault malformed)
{
    h1_fields_read(&reading->fields, headers);
    return reading->fields.option_count > H1_FIELDS_OPTIONS_MAX ? malformed : FAULT_NONE;
}

static enum fault read_request(struct reading *reading, struct request *request)
{
    const struct h1_parse *parse = &reading->parse;

    enum fault fault =
        h1_parse_request(&reading->parse, reading->head, reading->reader, &request->headers);
    if (fault != FAULT_NONE)
        return fault;
    request->method_name = parse->method;
    request->method = method_of(parse->method);
    request->target = parse->target;
    request->minor_version = parse->opinion.minor_version;

    fault = read_fields(reading, &request->headers, FAULT_REQUEST_MALFORMED);
    if (fault == FAULT_NONE)
        fault = read_request_body(reading, request);
    if (fault == FAULT_NONE)
        fault = read_host(reading, request);
    if (fault == FAULT_NONE)
        fault = read_expectation(reading, request);
    if (fault != FAULT_NONE)
        return fault;
    request->upgrade = h1_fields_upgrade(&reading->fields, &parse->opinion);
    request->accepts_trailers = reading->fields.accepts_trailers;

    /* Last, for it may change the table that the fields point into. */
    fault = read_target(reading, reading->reader->is_tls, request);
    if (fault == FAULT_NONE)
        split_authority(reading, request);
    return fault;
}

enum fault h1_head_parse_request(struct slice head, const struct h1_head_reader *reader,
                                 struct request *request, struct h1_connection_terms *terms)
{
    struct reading reading;

    begin(&reading, head, reader);
    *request = (struct request){0};
    *terms = (struct h1_connection_terms){0};
    enum fault fault = read_request(&reading, request);
    if (fault != FAULT_NONE) {
        terms->fault_offset = culprit_offset(&reading);
        return fault;
    }
    *terms = (struct h1_connection_terms){
        .keeps_alive = h1_fields_keep_alive(&reading.fields, &reading.parse.opinion),
        .is_last = reading.fields.closes,
        .is_chunked = request->body == BODY_STREAMED,
    };
    return FAULT_NONE;
}

static bool is_tunnel(int status, enum method method)
{
    return method == METHOD_CONNECT && status >= 200 && status < 300;
}

/* Content-Length: 0 is not a body, though it should not be there; 304 has what a GET would have. */
static bool may_lack_body(const struct reading *reading, const struct response *response)
{
    if (response->status == 304)
        return true;
    return reading->fields.coding == NULL &&
           (response->body != BODY_LENGTH || response->content_length == 0);
}

/* RFC 9112, 6.3. */
static enum fault read_response_body(struct reading *reading, enum method method,
                                     struct response *response, bool *is_chunked)
{
    enum fault fault =
        h1_fields_frame_response(&reading->fields, &reading->parse.opinion, response, is_chunked);
    if (fault != FAULT_NONE)
        return fault;
    bool never_has_one =
        status_has_no_body(response->status) || is_tunnel(response->status, method);
    if (never_has_one && !may_lack_body(reading, response))
        return FAULT_UPSTREAM_MALFORMED;
    if (!never_has_one && method != METHOD_HEAD)
        return FAULT_NONE;
    if (never_has_one && response->status != 304) /* not sent either: RFC 9110, 8.6 */
        response->content_length = MESSAGE_LENGTH_UNKNOWN;
    response->body = BODY_NONE;
    *is_chunked = false;
    return FAULT_NONE;
}

static enum fault read_response(struct reading *reading, enum method method,
                                struct response *response, bool *is_chunked)
{
    const struct h1_parse *parse = &reading->parse;

    enum fault fault =
        h1_parse_response(&reading->parse, reading->head, reading->reader, &response->headers);
    if (fault != FAULT_NONE)
        return fault;
    response->status = parse->opinion.status;
    response->reason = parse->reason;
    response->minor_version = parse->opinion.minor_version;

    fault = read_fields(reading, &response->headers, FAULT_UPSTREAM_MALFORMED);
    if (fault == FAULT_NONE)
        fault = read_response_body(reading, method, response, is_chunked);
    if (fault != FAULT_NONE || response->status != 101)
        return fault;
    response->upgrade = h1_fields_upgrade(&reading->fields, &parse->opinion);
    return response->upgrade.start != NULL ? FAULT_NONE : FAULT_UPSTREAM_UPGRADE;
}

enum fault h1_head_parse_response(struct slice head, enum method request_method,
                                  const struct h1_head_reader *reader, struct response *response,
                                  struct h1_connection_terms *terms)
{
    struct reading reading;
    bool is_chunked = false;

    begin(&reading, head, reader);
    *response = (struct response){0};
    *terms = (struct h1_connection_terms){0};
    enum fault fault = read_response(&reading, request_method, response, &is_chunked);
    if (fault != FAULT_NONE) {
        terms->fault_offset = culprit_offset(&reading);
        return fault;
    }
    bool lasts_until_close = response->body == BODY_STREAMED && !is_chunked;
    *terms = (struct h1_connection_terms){
        .keeps_alive =
            h1_fields_keep_alive(&reading.fields, &reading.parse.opinion) && !lasts_until_close,
        .is_chunked = is_chunked,
    };
    return FAULT_NONE;
}
