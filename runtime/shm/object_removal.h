/*
 * object_removal — taking an object out of a store, and giving its pages back once nobody holds it.
 *
 * First its state says that it is removed, so that nobody can begin to hold it; then its key leads
 * there no more; then those who wait are told; then it is freed, now or by who lets go last. Each
 * of these may be done by several, and is done once.
 */
#pragma once

#include "shm/object_record.h"

/* Whether its key leads to it. */
bool object_removal_is_published(const struct object_store *store,
                                 const struct object_hold *object);
/* Its key leads to it no more. */
void object_removal_unpublish(const struct object_store *store, const struct object_hold *object);
/* Takes out a complete object. False: it was not complete. */
bool object_removal_take_out(struct object_store *store, const struct object_hold *object,
                             bool is_evicted);
/*
 * Nothing leads to it from here on: takes it out if it is complete; else who fills it does so when
 * it is. Whether it was complete. The caller holds it, so that its page stays its own.
 */
bool object_removal_hide(struct object_store *store, const struct object_hold *object);
/* Takes out one that is being filled, by this process or a dead one. */
void object_removal_end(struct object_store *store, const struct object_hold *object,
                        enum object_state end);
/* Gives the pages of a removed object back unless somebody holds it. */
void object_removal_reclaim(struct object_store *store, uint32_t page);
/* ... of one that is in FREEING by this lane. */
void object_removal_free(struct object_store *store, uint32_t page);
