/*
 * exchange_pool — a table by slot, and two stacks of those that are idle.
 */
#include "gateway/exchange_pool.h"

#include "base/mem.h"

void exchange_pool_clear(struct exchange_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        if (pool->exchanges[i]->arena.blocks != NULL)
            arena_clear(&pool->exchanges[i]->arena);
        free(pool->exchanges[i]);
    }
    free(pool->exchanges);
    *pool = (struct exchange_pool){0};
}

static struct exchange *add(struct exchange_pool *pool)
{
    struct exchange *exchange = mem_zeroed(sizeof(*exchange));

    if (pool->count == pool->capacity) {
        pool->capacity = pool->capacity > 0 ? pool->capacity * 2 : 64;
        pool->exchanges = mem_resize(pool->exchanges, pool->capacity * sizeof(struct exchange *));
    }
    exchange->slot = pool->count;
    pool->exchanges[pool->count++] = exchange;
    arena_init(&exchange->arena);
    return exchange;
}

struct exchange *exchange_pool_take(struct exchange_pool *pool)
{
    struct exchange *exchange = pool->free;

    if (exchange != NULL) {
        pool->free = exchange->private.next_free;
        pool->warm_count--;
    } else if (pool->cold != NULL) {
        exchange = pool->cold;
        pool->cold = exchange->private.next_free;
        arena_init(&exchange->arena);
    } else {
        exchange = add(pool);
    }
    exchange->serial = ++pool->last_serial;
    return exchange;
}

void exchange_pool_give(struct exchange_pool *pool, struct exchange *exchange)
{
    struct arena arena = exchange->arena;
    uint32_t slot = exchange->slot;
    bool stays_warm = pool->warm_count < EXCHANGE_POOL_WARM_MAX;
    struct exchange **stack = stays_warm ? &pool->free : &pool->cold;

    if (stays_warm) {
        arena_reset(&arena);
        pool->warm_count++;
    } else {
        arena_clear(&arena);
    }
    /* Zero is the idle state; the serial's too, so that no handle to it is alive. */
    *exchange = (struct exchange){.slot = slot, .arena = arena};
    exchange->private.next_free = *stack;
    *stack = exchange;
}

struct exchange *exchange_pool_at(const struct exchange_pool *pool, uint32_t slot)
{
    return slot < pool->count ? pool->exchanges[slot] : NULL;
}
