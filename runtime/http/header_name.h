/*
 * header_name — the field names that the gateway itself knows, as small numbers.
 *
 * A header table stores the number beside the name, so that looking for a known
 * field compares numbers. The flags say what a proxy does with a field (RFC 9110, 7.6.1).
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "base/slice.h"

/* Fields that describe one connection: never forwarded, never nominated end to end. */
#define HEADER_HOP_BY_HOP 1
/* Fields that frame the message: written by the codec alone, from the message's body. */
#define HEADER_FRAMING 2
/* Fields that may not be removed by being named in Connection (they route, frame or secure). */
#define HEADER_END_TO_END 4
/* Fields that have no place in trailers (RFC 9110, 6.5.1). */
#define HEADER_NOT_IN_TRAILERS 8

/* clang-format off */
/*      id                     name                     flags */
#define HEADER_NAMES(X) \
    X(  HOST,                  "host",                  HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  CONNECTION,            "connection",            HEADER_HOP_BY_HOP | HEADER_NOT_IN_TRAILERS) \
    X(  KEEP_ALIVE,            "keep-alive",            HEADER_HOP_BY_HOP | HEADER_NOT_IN_TRAILERS) \
    X(  PROXY_CONNECTION,      "proxy-connection",      HEADER_HOP_BY_HOP | HEADER_NOT_IN_TRAILERS) \
    X(  TE,                    "te",                    HEADER_HOP_BY_HOP | HEADER_NOT_IN_TRAILERS) \
    X(  TRAILER,               "trailer",               HEADER_NOT_IN_TRAILERS) \
    X(  TRANSFER_ENCODING,     "transfer-encoding",     HEADER_HOP_BY_HOP | HEADER_FRAMING | HEADER_NOT_IN_TRAILERS) \
    X(  UPGRADE,               "upgrade",               HEADER_HOP_BY_HOP | HEADER_NOT_IN_TRAILERS) \
    X(  CONTENT_LENGTH,        "content-length",        HEADER_FRAMING | HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  CONTENT_TYPE,          "content-type",          HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  CONTENT_ENCODING,      "content-encoding",      HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  CONTENT_RANGE,         "content-range",         HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  EXPECT,                "expect",                HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  MAX_FORWARDS,          "max-forwards",          HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  CACHE_CONTROL,         "cache-control",         HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  AUTHORIZATION,         "authorization",         HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  PROXY_AUTHORIZATION,   "proxy-authorization",   HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  PROXY_AUTHENTICATE,    "proxy-authenticate",    HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  WWW_AUTHENTICATE,      "www-authenticate",      HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  COOKIE,                "cookie",                HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  SET_COOKIE,            "set-cookie",            HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  DATE,                  "date",                  HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  SERVER,                "server",                0) \
    X(  VIA,                   "via",                   HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  FORWARDED,             "forwarded",             HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  X_FORWARDED_FOR,       "x-forwarded-for",       HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  X_FORWARDED_PROTO,     "x-forwarded-proto",     HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  X_FORWARDED_HOST,      "x-forwarded-host",      HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  X_FORWARDED_PORT,      "x-forwarded-port",      HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  X_REAL_IP,             "x-real-ip",             HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  X_REQUEST_ID,          "x-request-id",          HEADER_END_TO_END) \
    X(  TRACEPARENT,           "traceparent",           HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  TRACESTATE,            "tracestate",            HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  PROXY_STATUS,          "proxy-status",          HEADER_END_TO_END) \
    X(  ACCEPT,                "accept",                HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  ACCEPT_ENCODING,       "accept-encoding",       HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  ORIGIN,                "origin",                HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  USER_AGENT,            "user-agent",            0) \
    X(  REFERER,               "referer",               0) \
    X(  LOCATION,              "location",              HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  VARY,                  "vary",                  HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  ETAG,                  "etag",                  HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  LAST_MODIFIED,         "last-modified",         HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  AGE,                   "age",                   HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  EXPIRES,               "expires",               HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  PRAGMA,                "pragma",                HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  RANGE,                 "range",                 HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  IF_RANGE,              "if-range",              HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  IF_MATCH,              "if-match",              HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  IF_NONE_MATCH,         "if-none-match",         HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  IF_MODIFIED_SINCE,     "if-modified-since",     HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  IF_UNMODIFIED_SINCE,   "if-unmodified-since",   HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  ACCEPT_RANGES,         "accept-ranges",         HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  ACCEPT_LANGUAGE,       "accept-language",       HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  CONTENT_LOCATION,      "content-location",      HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  CACHE_STATUS,          "cache-status",          HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  RETRY_AFTER,           "retry-after",           HEADER_END_TO_END | HEADER_NOT_IN_TRAILERS) \
    X(  HTTP2_SETTINGS,        "http2-settings",        HEADER_HOP_BY_HOP | HEADER_NOT_IN_TRAILERS)
/* clang-format on */

#define HEADER_ID(id, name, flags) HEADER_##id,
enum header_id { HEADER_OTHER, HEADER_NAMES(HEADER_ID) HEADER_ID_COUNT };
#undef HEADER_ID

/* HEADER_OTHER when not known; letters in any case. */
enum header_id header_id_of(struct slice name);
/* Lower case; empty for HEADER_OTHER. */
struct slice header_name_of(enum header_id id);
extern const uint8_t HEADER_FLAGS[HEADER_ID_COUNT];
static inline unsigned header_flags_of(enum header_id id)
{
    assert((unsigned)id < HEADER_ID_COUNT);
    return HEADER_FLAGS[id];
}
