/*
 * object_metadata — tags and metadata of an object, which may be replaced while others read them.
 *
 * One word says where they are and how long. In the first page they never change. Replaced, or too
 * long for it, they have pages of their own, which go as soon as the word says otherwise: who reads
 * them copies, and looks whether the word is still the same.
 */
#pragma once

#include "shm/object_fill.h"
#include "shm/object_record.h"

#define OBJECT_METADATA_COPY_BYTES \
    (OBJECT_METADATA_BYTES_MAX + sizeof(uint16_t) * (OBJECT_TAGS_MAX + 1))

struct object_metadata {
    const uint16_t *tags; /* places among the stamps */
    size_t tag_count;
    struct slice text;
};

/* Valid until the next call, if they are not in the first page. False when there are none. */
bool object_metadata_read(const struct object_store *store, uint32_t page,
                          struct object_metadata *metadata);
/*
 * Writes those of `head` for an object that nobody else writes to: into its first page as far as
 * byte `inside_end`, or into new pages. The word to publish; 0 when there is no room. They count as
 * version `version` of it.
 */
uint64_t object_metadata_write(struct object_store *store, const struct object_hold *object,
                               const struct object_head *head, size_t inside_end, uint64_t now_ns);
/* Gives back the pages that a word led to; as many as there were. */
uint32_t object_metadata_free(struct object_store *store, const struct object_hold *object,
                              uint64_t word);
/* The first page behind that word; OBJECT_PAGE_NONE: they are in the object's own. */
uint32_t object_metadata_chain(uint64_t word, uint32_t object_page);
size_t object_metadata_bytes(uint64_t word);
