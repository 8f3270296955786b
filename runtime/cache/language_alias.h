/*
 * language_alias — an answer in a language is found by who wants that language most.
 *
 * What varies by Accept-Language is stored as the variant of the request that it answered. Where it
 * says its language itself (Content-Language), another variant leads to it: that of a request for
 * this language alone. Who prefers one language to all others, and has no variant of his own, is
 * answered with that one (RFC 9111, 4.1: what is known of how the origin chooses).
 */
#pragma once

#include "cache/object_head.h"

struct language_alias {
    struct slice rules, variant; /* of what is stored */
    const struct object_head *head;
    struct object_claim claim;
};

/* After the head of what is stored under the key and variant. */
void language_alias_add(struct object_store *store, const struct object_head_source *source,
                        const struct language_alias *alias);
struct language_wish {
    const struct object_hold *marker; /* of the key */
    struct slice rules;
    const struct headers *request;
    uint64_t now_ns;
    struct arena *arena;
};

/* As object_store_find_variant(), for a request whose own variant is not there. */
enum object_found language_alias_find(struct object_store *store, const struct language_wish *wish,
                                      struct object_hold *hold);
