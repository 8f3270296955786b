/*
 * object_variants — the marker that a key leads to when its answers vary (RFC 9111, 4.1).
 *
 * A marker is an object whose metadata says by what request fields answers differ. Variants are
 * objects of their own, under a key that is made of the marker's serial number and the variant's
 * bytes: a marker that is replaced or gone takes all of them along. It lists the tags of the last
 * ones at the end of its page; beyond their number the oldest is taken out.
 */
#pragma once

#include "shm/object_record.h"

/* That variant of the held marker is new: lists it. */
void object_variants_add(struct object_store *store, const struct object_hold *marker,
                         uint64_t tag);
/* Where the list begins in a marker's page. */
size_t object_variants_at(const struct object_record *record);
/* Takes out all that are listed, or has them stale. */
void object_variants_purge(struct object_store *store, const struct object_hold *marker,
                           uint64_t stamp, bool is_soft);
