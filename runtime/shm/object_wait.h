/*
 * object_wait — telling processes that an object goes on, by a descriptor for each.
 *
 * Whoever waits puts its lane's bit into the object, then looks once more; whoever changes the
 * object looks at the bits afterwards. So nothing is missed, nobody asks again and again, and an
 * object that nobody waits for costs no system call.
 */
#pragma once

#include "shm/object_record.h"

/* After a change: tells all that wait for it. */
void object_wait_tell(const struct object_store *store, struct object_record *record);
/* Makes the wake descriptor of that lane readable, if it has one. */
void object_wait_tell_lane(const struct object_store *store, uint32_t lane);
