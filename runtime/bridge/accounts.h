/*
 * accounts — where each step of each route of a generation is counted.
 *
 * Rows in shared memory are few, routes may be many: they are found when a route is first asked
 * for, so that those that are get them. Until then a route costs the room for pointers, which
 * nobody touches.
 */
#pragma once

#include "base/arena.h"
#include "shm/plugin_accounts.h"

/* Which plugins a chain has, by step. */
struct accounts_chain {
    const struct slice *plugins;
    uint32_t count;
};

/* One route's part of them. */
struct accounts_share {
    uint32_t chain;
    uint32_t first_row;
};

struct accounts {
    const struct plugin_accounts *shared; /* NULL: what is counted is lost */
    struct accounts_chain *chains;
    uint32_t chain_count;
    size_t chain_capacity;
    struct plugin_cost **rows; /* NULL: not found yet. One more than there are. */
    uint32_t row_count;
    struct accounts_share use; /* of `use`, where no route matched */
    struct plugin_cost lost;
};

/* While a generation is built: a chain, with names that are copied into the arena, its number ...
 */
uint32_t accounts_add_chain(struct accounts *accounts, struct arena *arena,
                            const struct slice *plugins, uint32_t count);
/* ... the share of a route that has it ... */
struct accounts_share accounts_reserve(struct accounts *accounts, uint32_t chain);
/* ... and the end. */
void accounts_seal(struct accounts *accounts, const struct plugin_accounts *shared);
void accounts_clear(struct accounts *accounts);

/* Finds the rows of a share. */
void accounts_find(struct accounts *accounts, struct accounts_share share, struct slice route);
/* By step. `route`: its name, SLICE_NONE where no route matched. */
static inline struct plugin_cost **accounts_rows(struct accounts *accounts,
                                                 struct accounts_share share, struct slice route)
{
    struct plugin_cost **rows = accounts->rows + share.first_row;

    if (rows[0] == NULL)
        accounts_find(accounts, share, route);
    return rows;
}

/* An error that no step of a chain has made: of a route's `when`; of a task, by its plugin's
 * number. */
void accounts_count_when_error(struct accounts *accounts, struct slice route);
void accounts_count_task_error(struct accounts *accounts, uint32_t plugin);
