/*
 * dict_record — one value of a dictionary, as it lies in a page.
 *
 * Written once, before its spot is published, and never changed after.
 */
#pragma once

#include <string.h>

#include "shm/dict.h"

struct dict_record {
    uint64_t tag;
    uint64_t expires_ns; /* 0: never */
    int64_t integer;
    uint32_t string_length;
    uint16_t key_length;
    uint16_t kind;
    char text[]; /* the key, then the string */
};

/* Shared by all processes, beside the cells and the pages. */
struct dict_shared {
    uint64_t refused;
    uint64_t sweep_page;    /* counts up: the page to look at next, modulo the pages */
    uint64_t sweep_time_ns; /* when it may be looked at */
    uint64_t unused[13];
};

static inline size_t dict_record_bytes(size_t key_length, size_t string_length)
{
    return sizeof(struct dict_record) + key_length + string_length;
}

static inline bool dict_record_is_expired(const struct dict_record *record, uint64_t now_ns)
{
    return record->expires_ns != 0 && record->expires_ns <= now_ns;
}

/*
 * The record's header, if it can be one, though it may be overwritten while it
 * is read: lengths are within bounds, nothing else is known until the cell was
 * seen unchanged after the last read.
 */
static inline bool dict_record_peek(const struct dict *dict, page_log_spot spot,
                                    struct dict_record *header)
{
    size_t rest = page_log_rest(&dict->log, spot);
    if (rest < sizeof(*header))
        return false;
    memcpy(header, page_log_at(&dict->log, spot), sizeof(*header));
    return header->string_length <= dict->value_bytes_max &&
           dict_record_bytes(header->key_length, header->string_length) <= rest;
}
