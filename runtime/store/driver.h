/*
 * driver — what a store is kept in: a table of functions.
 *
 * There is one, LMDB: a file that all workers of a machine map. One that asks other machines
 * (Redis) would answer reads from what it has fetched, which its `changes` tell it to drop, and ask
 * in `commit`, which may take its time.
 */
#pragma once

#include "store/store.h"

struct store_driver {
    /* NULL with a sentence in `reason`. */
    void *(*open)(const struct store_options *options, char *reason);
    void (*close)(void *state);

    /* From the loop's thread, at once; as the functions of store.h. */
    enum store_outcome (*get)(void *state, struct slice key, uint64_t now_ms,
                              struct store_record *record);
    enum store_outcome (*next)(void *state, struct slice prefix, struct slice after,
                               uint64_t now_ms, struct store_record *record);
    uint64_t (*serial)(void *state);
    enum store_outcome (*next_change)(void *state, uint64_t *serial, struct store_record *record);

    /* From the store's thread, while reads go on: all batches of the list, durably, and sets their
     * outcomes. */
    void (*commit)(void *state, struct store_batch *batches);
};

extern const struct store_driver STORE_LMDB;
