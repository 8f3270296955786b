/*
 * trusted_proxy — who the client is, when trusted proxies stand in between.
 *
 * X-Forwarded-For is read from the right: entries that trusted proxies added are skipped, the first
 * other one is the client. From an untrusted peer the field says nothing.
 */
#pragma once

#include "gateway/gateway.h"

bool trusted_proxy_has(const struct gateway_options *options, const struct address *address);
/* The client's address text: the connection's own, or one out of the request's X-Forwarded-For. */
struct slice trusted_proxy_client(const struct gateway_options *options,
                                  const struct downstream *connection,
                                  const struct headers *headers, struct arena *arena);
