/*
 * fill_flow — the rest of an answer that proved too large to be stored, for all who read along.
 *
 * It comes at the pace of the slowest of them, through two windows of the store
 * (shm/object_flow.h); the upstream is held back meanwhile. Its end is the end of the fill, which
 * lasts until they have read it.
 */
#pragma once

#include "cache/fill.h"

/* WRITING: the store takes no more, beginning with these bytes. */
void fill_flow_begin(struct fill *fill, struct slice bytes);
/* FLOWING: more has come, or the end. */
void fill_flow_data(struct fill *fill, struct slice bytes);
void fill_flow_end(struct fill *fill);
/* It has ended, however. */
void fill_flow_clear(struct fill *fill);
/* A reader has left, or may have: fills of this worker that wait for that go on. */
void fill_flow_wake(struct http_cache *cache);
