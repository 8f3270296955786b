/*
 * object_lookup — from where a key leads to an object that is held, for finders and claimants.
 */
#pragma once

#include "shm/object_record.h"

/* Holds what a cell's word leads to; false when that is not there any more, or cannot be held. */
bool object_lookup_hold(struct object_store *store, uint64_t reference, struct object_hold *hold);
/* There is nothing that is held, and it may be claimed. */
static inline bool object_lookup_is_nothing(enum object_found found)
{
    return found == OBJECT_MISSING || found == OBJECT_PASSED || found == OBJECT_PASSED_BY_SOME;
}

/* What the held object is for those who look for it now; MISSING: it is of no use to anybody, and
 * may be replaced. It stays held. */
enum object_found object_lookup_judge(struct object_store *store, const struct object_hold *hold,
                                      uint64_t now_ns);
