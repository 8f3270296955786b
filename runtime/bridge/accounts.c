/*
 * accounts — pointers into shared memory, by route and step.
 */
#include "bridge/accounts.h"

#include <string.h>

#include "base/mem.h"

/* Names where there is none, as the metrics of plugins have them. */
#define NO_ROUTE "none"
#define WHEN     "(when)"

uint32_t accounts_add_chain(struct accounts *accounts, struct arena *arena,
                            const struct slice *plugins, uint32_t count)
{
    struct slice *copies = arena_alloc(arena, (count + 1) * sizeof(*copies));

    for (uint32_t i = 0; i < count; i++)
        copies[i] = arena_copy(arena, plugins[i]);
    if (accounts->chain_count == accounts->chain_capacity) {
        accounts->chain_capacity =
            accounts->chain_capacity == 0 ? 16 : accounts->chain_capacity * 2;
        accounts->chains =
            mem_resize(accounts->chains, accounts->chain_capacity * sizeof(*accounts->chains));
    }
    accounts->chains[accounts->chain_count] = (struct accounts_chain){copies, count};
    return accounts->chain_count++;
}

struct accounts_share accounts_reserve(struct accounts *accounts, uint32_t chain)
{
    assert(chain < accounts->chain_count && accounts->rows == NULL);
    struct accounts_share share = {.chain = chain, .first_row = accounts->row_count};

    accounts->row_count += accounts->chains[chain].count;
    return share;
}

void accounts_seal(struct accounts *accounts, const struct plugin_accounts *shared)
{
    accounts->shared = shared;
    accounts->rows =
        mem_zeroed_array((size_t)accounts->row_count + 1, sizeof(struct plugin_cost *));
}

void accounts_clear(struct accounts *accounts)
{
    free(accounts->chains);
    free(accounts->rows);
}

static struct slice name_of(struct slice route)
{
    return route.start != NULL ? route : SLICE(NO_ROUTE);
}

void accounts_find(struct accounts *accounts, struct accounts_share share, struct slice route)
{
    const struct accounts_chain *chain = &accounts->chains[share.chain];

    for (uint32_t i = 0; i < chain->count; i++)
        accounts->rows[share.first_row + i] =
            accounts->shared == NULL
                ? &accounts->lost
                : plugin_accounts_of(accounts->shared, chain->plugins[i], name_of(route));
}

void accounts_count_when_error(struct accounts *accounts, struct slice route)
{
    if (accounts->shared == NULL)
        return;
    struct plugin_cost *cost = plugin_accounts_of(accounts->shared, SLICE(WHEN), name_of(route));
    series_add(&cost->errors, 1);
}

void accounts_count_task_error(struct accounts *accounts, uint32_t plugin)
{
    if (accounts->shared == NULL)
        return;
    struct plugin_cost *cost = plugin_accounts_elsewhere(accounts->shared, plugin);
    series_add(&cost->errors, 1);
}
