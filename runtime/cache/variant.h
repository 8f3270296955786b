/*
 * variant — one of several answers of the same key, chosen by the fields that Vary names.
 *
 * Values are made normal where that changes no meaning (RFC 9111, 4.1): lines joined, blanks around
 * commas gone; of Accept, Accept-Encoding, Accept-Language and Accept-Charset also the case, the
 * order of what weighs the same, weights of 1, and spellings of weights.
 */
#pragma once

#include "cache/cache_policy.h"
#include "http/message.h"

/* Of a longer text the SHA-256 takes its place. */
#define VARIANT_BYTES_MAX 1024

enum variant_result {
    VARIANT_NONE,      /* no Vary: one answer for all */
    VARIANT_BY_FIELDS, /* `names` */
    VARIANT_ALWAYS     /* "*", the client's address, no list of names, or too many: not stored */
};

/*
 * The names that an answer varies by: in lower case, sorted, each once, joined by ",". What the
 * gateway has made constant (`without`, HEADERS_BIT) is left out.
 */
enum variant_result variant_names(const struct headers *response, uint64_t without,
                                  struct arena *arena, struct slice *names);

/*
 * The text of the variant that a request asks for, by `names` as variant_names() made them. A field
 * that is missing is not the same as an empty one.
 */
struct slice variant_key(struct slice names, const struct headers *request, struct arena *arena);

/*
 * Where `names` has Accept-Language: the variant of a request that accepts the one language
 * `language` alone. With the Content-Language of an answer, that is a variant it may be stored as,
 * too; with variant_language() of a request, one that may be looked up when its own is not there.
 * Start NULL: `names` has no Accept-Language.
 */
struct slice variant_key_of_language(struct slice names, struct slice language,
                                     const struct headers *request, struct arena *arena);
/* The one language that a request prefers to all others; start NULL: none, or several. */
struct slice variant_language(const struct headers *request, struct arena *arena);
