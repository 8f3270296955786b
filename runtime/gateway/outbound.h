/*
 * outbound — what a request will have when it goes upstream, for policies that sign it.
 *
 * As things stand: policies behind may still change path, fields and upstream.
 */
#pragma once

#include "base/slice.h"

struct exchange;

/* As a policy set it, else the route's rewrite, else the client's: normalised and escaped, in the
 * arena. Needs the request. */
struct slice outbound_path(struct exchange *exchange);
/* Of the Host field: the route's own, or what the client or a policy said; for HTTP/1.0 without
 * any the cluster's name, and nothing without one. */
struct slice outbound_host(const struct exchange *exchange);
