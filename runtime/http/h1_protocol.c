/*
 * h1_protocol — the table row of HTTP/1.1 and the limits all sessions start from.
 */
#include "http/h1_protocol.h"

const struct http_session_limits HTTP_SESSION_LIMITS = {
    .head_bytes_max = 32768,
    .target_bytes_max = 8192,
    .trailer_bytes_max = 8192,
    .window_bytes = 65536,
    .requests_max = 0,
    .head_seconds = 10,
    .idle_seconds = 60,
    .body_idle_seconds = 30,
    .send_idle_seconds = 60,
    .linger_seconds = 2,
    .half_close_seconds = 3,
};

const struct http_protocol H1_PROTOCOL = {
    .name = "http/1.1",
    .alpn = "http/1.1",
    .serve = h1_server_open,
    .connect = h1_client_open,
};
