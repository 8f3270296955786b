/*
 * message — a request's or a response's head, as codecs and policies see it.
 *
 * Everything points into one arena, which holds the raw head as well. The codec
 * that received it fills it in; the codec that sends it takes framing from `body`
 * and `content_length`, never from header fields.
 */
#pragma once

#include "http/headers.h"

enum method {
    METHOD_OTHER, /* known to http-parser, but not among these */
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_PATCH,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_CONNECT,
    METHOD_COUNT
};

enum message_body {
    BODY_NONE,    /* none follows; to HEAD and with 304, content_length may say what it would be */
    BODY_LENGTH,  /* content_length bytes */
    BODY_STREAMED /* length not known: chunked, or until the connection closes */
};

#define MESSAGE_LENGTH_UNKNOWN UINT64_MAX

struct request {
    enum method method;
    struct slice method_name; /* as sent: methods are case-sensitive */
    struct slice target;      /* as sent */
    struct slice scheme;      /* "http" or "https": of an absolute target, else the connection's */
    struct slice authority;   /* host[:port], as sent: of the target, else of Host; may be empty */
    struct slice host;        /* of the authority: lower case, no port, no brackets, no last dot */
    uint16_t port;            /* of the authority; 0 when not given */
    struct slice path;  /* normalised (uri_normalise_path); "*" for OPTIONS *; empty for CONNECT */
    struct slice query; /* after '?', raw; start NULL when there is no '?' */
    unsigned minor_version; /* of HTTP/1: 0 or 1 */
    struct headers headers, trailers;
    enum message_body body;
    uint64_t content_length; /* MESSAGE_LENGTH_UNKNOWN unless BODY_LENGTH */
    struct slice upgrade;    /* Upgrade's value when Connection nominates it; else start NULL */
    bool expects_continue;   /* Expect: 100-continue, in 1.1 with a body */
    bool accepts_trailers;   /* TE: trailers */
};

struct response {
    int status;
    struct slice reason; /* may be empty */
    unsigned minor_version;
    struct headers headers, trailers;
    enum message_body body;
    uint64_t content_length; /* also for BODY_NONE where the field was there (HEAD, 304) */
    struct slice upgrade;    /* of a 101 */
};

/* METHOD_OTHER for all that the enum does not name. */
enum method method_of(struct slice name);
struct slice method_name_of(enum method method);
/* Safe to send twice (RFC 9110, 9.2.2): GET HEAD PUT DELETE OPTIONS TRACE. */
bool method_is_idempotent(enum method method);
/* "OK", "Not Found"; "Unknown" for what is not registered. */
struct slice status_reason(int status);
/* 1xx, 204, 304 never have a body (RFC 9110, 6.4.1). */
bool status_has_no_body(int status);
