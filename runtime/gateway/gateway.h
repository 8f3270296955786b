/*
 * gateway — what one worker needs to turn connections into exchanges.
 */
#pragma once

#include "gateway/exchange.h"
#include "gateway/gateway_options.h"
#include "gateway/listen_options.h"
#include "http/http_session.h"

struct counter_table;
struct http_cache;

/* For gateway_help_listen(). */
#define GATEWAY_HELP_SECONDS 0.01

/* What is now, in this worker. */
struct gateway_counts {
    uint64_t connections_active, exchanges_active;
};

/* `phases` is borrowed, `options` copied. */
struct gateway *gateway_create(struct loop *loop, const struct gateway_options *options,
                               const struct phases *phases, void *phases_data);
void gateway_destroy(struct gateway **gateway);
/* Before anything is accepted: totals are counted there, in this process's lane. */
void gateway_count_in(struct gateway *gateway, const struct counter_table *counters);
/* For routes with a policy for it; borrowed. Without one nothing is cached. */
void gateway_use_cache(struct gateway *gateway, struct http_cache *cache);
/* New options, copied: a connection that is open takes them over with its next request. */
void gateway_configure(struct gateway *gateway, const struct gateway_options *options);
/*
 * Accepts from `fd`, which is the gateway's from now on, under copied options. Where it accepts
 * from `fd` already, they are for connections to come: those that are open keep what they began
 * with.
 */
void gateway_listen(struct gateway *gateway, int fd, const struct listen_options *options);
/* The same for a socket that another process accepts from as well, or will soon: a little later, at
 * most GATEWAY_HELP_SECONDS. To be stopped as any other. */
void gateway_help_listen(struct gateway *gateway, int fd, const struct listen_options *options);
/* Accepts what waits in the queue of `fd`, nothing more, and closes `fd` when the last of these has
 * shaken hands. Connections stay open. */
void gateway_stop_listening(struct gateway *gateway, int fd);
/* Accepts nothing more from `fd`, whose socket is another process's by now, with what waits in its
 * queue. */
void gateway_leave(struct gateway *gateway, int fd);
/*
 * Stops listening, lets exchanges finish, closes connections after them; `drained` is called when
 * none is left. Unless it is to be `with_admin`, the admin listeners go on, and nobody waits for
 * their connections: /ready tells of it.
 */
void gateway_drain(struct gateway *gateway, bool with_admin, void (*drained)(void *data),
                   void *data);
bool gateway_is_draining(const struct gateway *gateway);
const struct gateway_counts *gateway_counts(const struct gateway *gateway);
struct loop *gateway_loop(const struct gateway *gateway);
/* To be told of the loop's turns. */
struct shedder *gateway_shedder(struct gateway *gateway);
void *gateway_phases_data(const struct gateway *gateway);
const struct gateway_options *gateway_options(const struct gateway *gateway);
/* Exchanges in the pool by slot, for who keeps only the number; NULL beyond what was ever used. */
struct exchange *gateway_exchange(struct gateway *gateway, uint32_t slot);
