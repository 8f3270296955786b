/*
 * cache_tags — names that an answer gives itself, to be purged by: surrogate keys.
 */
#pragma once

#include "base/slice.h"

#define CACHE_TAGS_MAX      64  /* of one answer: further ones do not count */
#define CACHE_TAG_BYTES_MAX 256 /* longer ones do not count */

/*
 * Takes the next tag off `*rest`, the value of the field: separated by blanks (Surrogate-Key, as
 * Fastly and Varnish have it), commas (Cache-Tag) or both. False when there is none left.
 */
bool cache_tags_next(struct slice *rest, struct slice *tag);
