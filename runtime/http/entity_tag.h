/*
 * entity_tag — what names one representation of a resource (RFC 9110, 8.8.3), and how two compare.
 */
#pragma once

#include "http/headers.h"

/* `W/"..."` or `"..."`; anything else is no tag. */
bool entity_tag_is_valid(struct slice tag);
/* Both strong, and the same. */
bool entity_tag_equals_strongly(struct slice one, struct slice other);
/* The same but for W/. */
bool entity_tag_equals_weakly(struct slice one, struct slice other);

/*
 * Whether an If-None-Match or If-Match has the tag, by the weak comparison, in any of its lines.
 * "*" has every tag, an empty one too. Elements that are no tags match one that is written exactly
 * so, since origins exist that leave out the quotes.
 */
bool entity_tag_is_in(const struct headers *headers, enum header_id id, struct slice tag);
