/*
 * stores — those that a worker has open, each folder once, however its path is spelt.
 *
 * A store belongs to the worker, not to one reading of its configuration: what waits to be written
 * is not held up by a reload.
 */
#pragma once

#include "store/store.h"

struct stores;

struct stores *stores_create(struct loop *loop);
/* When all have been given back. Clears `*stores`. */
void stores_destroy(struct stores **stores);
/* The one of that path, opened if need be (the size then counts that the first one gave); NULL with
 * a sentence in `reason` (STORE_REASON_BYTES_MAX). */
struct store *stores_acquire(struct stores *stores, const struct store_options *options,
                             char *reason);
/* The last one closes it, and waits for what it still writes. Clears `*store`. */
void stores_release(struct stores *stores, struct store **store);
