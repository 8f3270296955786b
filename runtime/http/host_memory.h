/*
 * host_memory — authorities that were read lately, and what they consist of.
 *
 * Most requests that a worker reads name one of a few hosts. What an authority consists of depends
 * on its bytes alone, so that the same bytes need not be taken apart again.
 */
#pragma once

#include "http/uri.h"

/* Remembered authorities, one of each length modulo their number, and the longest of them. */
#define HOST_MEMORY_MAX       16
#define HOST_MEMORY_BYTES_MAX 64

struct host_memory {
    struct host_memory_place {
        char text[HOST_MEMORY_BYTES_MAX];
        struct uri_authority parts; /* into the text */
        uint8_t length;             /* 0: nothing is remembered here */
        bool is_plain;
    } places[HOST_MEMORY_MAX];
};

/*
 * As uri_parse_authority(). `is_plain`: the host has no capital letter, and no dot at its end.
 * `memory` may be NULL.
 */
bool host_memory_parse(struct host_memory *memory, struct slice authority,
                       struct uri_authority *parts, bool *is_plain);
