/*
 * address_limits — how many connections each client address has open in this worker.
 *
 * IPv6 clients count by their /64, which is what one client is given. Holds one entry for each
 * address with a connection, so it is bounded by the number of connections.
 */
#pragma once

#include "net/address.h"

struct address_limits;

struct address_limits *address_limits_create(void);
void address_limits_destroy(struct address_limits **limits);
/* Counts one more of `address`; false, with nothing counted, when it has `connections_max` (> 0)
 * already. */
bool address_limits_enter(struct address_limits *limits, const struct address *address,
                          unsigned connections_max);
/* Once for each time entering returned true. */
void address_limits_leave(struct address_limits *limits, const struct address *address);
