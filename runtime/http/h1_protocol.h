/*
 * h1_protocol — HTTP/1.1 (and 1.0) as a protocol that sessions can speak, on either side.
 */
#pragma once

#include "http/http_session.h"

extern const struct http_protocol H1_PROTOCOL;

struct http_session *h1_server_open(struct stream *stream, const struct http_session_limits *limits,
                                    const struct http_session_events *events, void *data);
struct http_session *h1_client_open(struct stream *stream, const struct http_session_limits *limits,
                                    const struct http_session_events *events, void *data);
