/*
 * codec — a protocol made up for specs: two exchanges at a time on one connection, each with
 * windows of its own.
 *
 * Frames are [stream 1|2][type][length, 2 bytes big-endian][payload]:
 * H head ("GET /path host\nname: value\n..." or "200\nname: value\n..."), D data, E end, W credit
 * (4 bytes big-endian), R reset. A sender may have TWO_STREAM_WINDOW_BYTES of data under way on
 * each stream, and more as credit comes; a receiver gives credit for what its user took. It is what
 * HTTP/2 asks of the gateway, at its smallest.
 */
#pragma once

#include "http/http_session.h"

#define TWO_STREAM_WINDOW_BYTES 16384

extern const struct http_protocol TWO_STREAM_PROTOCOL;
