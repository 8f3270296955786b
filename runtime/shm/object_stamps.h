/*
 * object_stamps — whether an object was purged, found out by numbers (see object_purge.h).
 */
#pragma once

#include "shm/object_record.h"

/* The place among the stamps of a tag, or of a route, which has another. */
uint32_t object_stamps_tag(const struct object_store *store, struct slice tag);
uint32_t object_stamps_route(const struct object_store *store, struct slice route);
/* Whether the object in that page, which is held, must not be found. Notes what is known until the
 * next purge of any kind. */
bool object_stamps_is_purged(const struct object_store *store, uint32_t page);
/* A number for a purge. */
uint64_t object_stamps_next(const struct object_store *store);
/* The word becomes `stamp` unless it is higher. */
void object_stamps_raise(uint64_t *word, uint64_t stamp);
/* All objects are looked at again. */
void object_stamps_begin_epoch(const struct object_store *store);
