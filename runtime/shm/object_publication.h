/*
 * object_publication — making a new object, and making its key lead to it.
 */
#pragma once

#include "shm/object_fill.h"
#include "shm/object_record.h"

/* What an object is told apart by, and whose it is. */
struct object_identity {
    uint64_t tag, marker_serial; /* 0: it is no variant */
    struct slice key, variant;
    size_t url_at;
    uint32_t account, route; /* OBJECT_STAMP_NONE: none */
};

/* As an existing object has them; of the shared memory. */
struct object_identity object_identity_of(const struct object_record *record);

/*
 * A new object in FILLING by this lane, which nobody knows. Purges after now apply, or after
 * `*stamp` unless that is NULL. False when there is no room.
 */
bool object_publication_make(struct object_store *store, const struct object_identity *identity,
                             const uint64_t *stamp, uint64_t now_ns, struct object_hold *object);
/* Undoes that: nobody ever saw it. */
void object_publication_unmake(struct object_store *store, const struct object_hold *object);

/* Whether the held object, to which the key leads, gives way to the new one. */
typedef bool object_may_replace(struct object_store *store, const struct object_hold *old,
                                const void *data, uint64_t now_ns);

/* The key of `object` leads to it from now on; what it led to before is taken out. TAKEN: that may
 * not be replaced. */
enum object_filled object_publication_publish(struct object_store *store,
                                              const struct object_hold *object,
                                              object_may_replace *may_replace, const void *data,
                                              uint64_t now_ns);
