/*
 * exchange_pool — the exchanges of a worker, each in a slot for good.
 *
 * Memory of a slot is never given back while the pool lives, so that the serial of an exchange that
 * has ended can be read; arenas are, beyond EXCHANGE_POOL_WARM_MAX.
 */
#pragma once

#include "gateway/exchange.h"

/* Exchanges that nobody has, with an arena; others give theirs back. */
#define EXCHANGE_POOL_WARM_MAX 512

/* All zero: empty. */
struct exchange_pool {
    struct exchange **exchanges; /* by slot */
    uint32_t count, capacity;
    struct exchange *free, *cold; /* cold ones have no arena */
    unsigned warm_count;
    double last_serial;
};

/* Whoever has one of the exchanges must be gone. */
void exchange_pool_clear(struct exchange_pool *pool);
/* Idle but for its slot, its arena and a serial that none had before. */
struct exchange *exchange_pool_take(struct exchange_pool *pool);
void exchange_pool_give(struct exchange_pool *pool, struct exchange *exchange);
/* NULL beyond what was ever used. */
struct exchange *exchange_pool_at(const struct exchange_pool *pool, uint32_t slot);
