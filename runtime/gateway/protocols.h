/*
 * protocols — the list of protocols that listeners and upstreams can speak.
 *
 * Adding one is a row in protocols.c; a test may add its own before start-up.
 */
#pragma once

#include "http/http_session.h"

#define PROTOCOLS_MAX 8

/* By the name that the configuration uses; NULL when there is none. */
const struct http_protocol *protocols_find(struct slice name);
/* By what ALPN agreed on; HTTP/1.1 where it agreed on nothing. */
const struct http_protocol *protocols_negotiated(struct slice alpn);
/* Before any thread or worker is started. False when the list is full. */
bool protocols_register(const struct http_protocol *protocol);
/* The i-th, or NULL beyond the last: for error messages. */
const struct http_protocol *protocols_at(size_t i);
