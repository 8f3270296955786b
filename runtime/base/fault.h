/*
 * fault — every way an exchange can fail, one line each.
 *
 * A function that can fail returns `enum fault`; FAULT_NONE is success. The same
 * line decides what the client sees (status and problem type), what Proxy-Status
 * says (RFC 9209, 2.3) and whether another target may be tried, provided that the
 * request may be sent twice at all.
 */
#pragma once

#include <stdbool.h>

/* clang-format off */
/*      name                       status retry  type (problem and log)        proxy-status                       text */
#define FAULTS(X) \
    X(  REQUEST_MALFORMED,         400, false, "malformed-request",           NULL,                              "The request is not valid HTTP.") \
    X(  REQUEST_TIMEOUT,           408, false, "request-timeout",             NULL,                              "The request did not arrive in time.") \
    X(  REQUEST_BODY_TOO_LARGE,    413, false, "request-body-too-large",      NULL,                              "The request body exceeds its limit.") \
    X(  REQUEST_TARGET_TOO_LONG,   414, false, "request-target-too-long",     NULL,                              "The request target exceeds its limit.") \
    X(  EXPECTATION_FAILED,        417, false, "expectation-failed",          NULL,                              "The expectation of the request is not known.") \
    X(  REQUEST_HEAD_TOO_LARGE,    431, false, "request-head-too-large",      NULL,                              "The head of the request exceeds its limit.") \
    X(  METHOD_UNKNOWN,            501, false, "method-unknown",              NULL,                              "The method of the request is not known.") \
    X(  CODING_UNKNOWN,            501, false, "transfer-coding-unknown",     NULL,                              "The transfer coding of the request is not known.") \
    X(  VERSION_UNSUPPORTED,       505, false, "version-unsupported",         NULL,                              "The HTTP version of the request is not supported.") \
    X(  ROUTE_MISSING,             404, false, "no-route",                    NULL,                              "No route matches the request.") \
    X(  METHOD_NOT_ALLOWED,        405, false, "method-not-allowed",          NULL,                              "The resource does not support the method.") \
    X(  LOOP_DETECTED,             508, false, "loop-detected",               "proxy_loop_detected",             "The request passed this gateway before.") \
    X(  OVERLOADED,                503, false, "overloaded",                  NULL,                              "The gateway is at its limit of connections.") \
    X(  SHED,                      503, false, "load-shed",                   NULL,                              "The gateway has more to do than it can; what matters less is refused for a while.") \
    X(  PLUGIN_RAISED,             500, false, "internal-error",              NULL,                              "The request could not be processed.") \
    X(  INTERNAL,                  500, false, "internal-error",              "proxy_internal_error",            "The request could not be processed.") \
    X(  UPSTREAM_DNS,              502, true,  "upstream-dns-error",          "dns_error",                       "The name of the upstream does not resolve.") \
    X(  UPSTREAM_DNS_TIMEOUT,      504, true,  "upstream-dns-timeout",        "dns_timeout",                     "The name of the upstream did not resolve in time.") \
    X(  UPSTREAM_UNAVAILABLE,      503, false, "upstream-unavailable",        "destination_unavailable",         "No target of the upstream is available.") \
    X(  UPSTREAM_EMPTY,            503, false, "upstream-empty",              "destination_unavailable",         "The upstream has no target: none has been discovered yet, or there is none now.") \
    X(  UPSTREAM_LIMIT,            503, false, "upstream-limit",              "connection_limit_reached",        "The upstream is at its limit of connections.") \
    X(  UPSTREAM_OVERLOADED,       503, false, "upstream-overloaded",         "connection_limit_reached",        "The upstream has as many requests under way as it takes.") \
    X(  UPSTREAM_QUEUE_TIMEOUT,    503, false, "upstream-queue-timeout",      "connection_limit_reached",        "The upstream was busy for as long as the request could wait.") \
    X(  CIRCUIT_OPEN,              503, false, "circuit-open",                "destination_unavailable",         "The upstream has failed too often lately; it is left alone for a while.") \
    X(  UPSTREAM_REFUSED,          502, true,  "upstream-refused",            "connection_refused",              "The upstream refused the connection.") \
    X(  UPSTREAM_UNROUTABLE,       502, true,  "upstream-unroutable",         "destination_ip_unroutable",       "The upstream cannot be reached.") \
    X(  UPSTREAM_CONNECT_TIMEOUT,  504, true,  "upstream-connect-timeout",    "connection_timeout",              "The upstream did not accept the connection in time.") \
    X(  UPSTREAM_TLS,              502, true,  "upstream-tls-error",          "tls_protocol_error",              "The TLS handshake with the upstream failed.") \
    X(  UPSTREAM_CERTIFICATE,      502, true,  "upstream-certificate-error",  "tls_certificate_error",           "The certificate of the upstream is not valid.") \
    X(  UPSTREAM_CLOSED,           502, true,  "upstream-closed",             "connection_terminated",           "The upstream closed the connection before it answered.") \
    X(  UPSTREAM_TIMEOUT,          504, false, "upstream-timeout",            "http_response_timeout",           "The upstream did not answer in time.") \
    X(  UPSTREAM_STALLED,          504, false, "upstream-stalled",            "connection_read_timeout",         "The upstream stopped in the middle of its answer.") \
    X(  UPSTREAM_WRITE_TIMEOUT,    504, false, "upstream-write-timeout",      "connection_write_timeout",        "The upstream did not take the request in time.") \
    X(  UPSTREAM_MALFORMED,        502, false, "upstream-malformed",          "http_protocol_error",             "The answer of the upstream is not valid HTTP.") \
    X(  UPSTREAM_CODING,           502, false, "upstream-transfer-coding",    "http_response_transfer_coding",   "The answer of the upstream has an unknown transfer coding.") \
    X(  UPSTREAM_HEAD_TOO_LARGE,   502, false, "upstream-head-too-large",     "http_response_header_section_size", "The head of the upstream's answer exceeds its limit.") \
    X(  UPSTREAM_BODY_TOO_LARGE,   502, false, "upstream-body-too-large",     "http_response_body_size",         "The body of the upstream's answer exceeds its limit.") \
    X(  UPSTREAM_INCOMPLETE,       502, false, "upstream-incomplete",         "http_response_incomplete",        "The upstream ended its answer too early.") \
    X(  UPSTREAM_UPGRADE,          502, false, "upstream-upgrade-failed",     "http_upgrade_failed",             "The upstream switched to a protocol nobody asked for.") \
    X(  NOT_CACHED,                504, false, "not-cached",                  NULL,                              "The answer is not in the cache, and nothing else was asked for.") \
    X(  NOT_VALIDATED,             504, false, "not-validated",               "destination_unavailable",         "The stored answer may not be used before the upstream has confirmed it.") \
    X(  DEADLINE_ENDED,            504, false, "deadline-ended",              NULL,                              "The time that was given for the request is over.") \
    X(  TOTAL_TIMEOUT,             504, false, "timeout",                     "http_response_timeout",           "The request took longer than its total timeout.") \
    X(  CLIENT_GONE,               499, false, "client-gone",                 NULL,                              "The client left before the answer.")
/* clang-format on */

#define FAULT_NAME(name, status, retry, type, proxy_status, text) FAULT_##name,
enum fault { FAULT_NONE, FAULTS(FAULT_NAME) FAULT_COUNT };
#undef FAULT_NAME

/* The status a client gets; 0 for FAULT_NONE. */
int fault_status(enum fault fault);
/* Whether another attempt may help, if the request may be sent twice. */
bool fault_is_retryable(enum fault fault);
/* Last part of the problem's `type` (RFC 9457) and name in logs: "upstream-refused". */
const char *fault_type(enum fault fault);
/* RFC 9209 error type, or NULL where no upstream was at fault. */
const char *fault_proxy_status(enum fault fault);
/* A sentence for the client; says nothing internal. */
const char *fault_text(enum fault fault);
