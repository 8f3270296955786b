/*
 * address_set — many address blocks, of which one is found by halving.
 *
 * Made once, read-only afterwards; lives in the arena it was made in.
 */
#pragma once

#include "base/arena.h"
#include "net/address.h"

#define ADDRESS_SET_BLOCKS_MAX 1000000

struct address_set;

/*
 * Of a comma-separated list as address_block_parse() takes its elements; an empty one has nothing.
 * NULL, with the element in `wrong`, when one of them is malformed, or beyond
 * ADDRESS_SET_BLOCKS_MAX.
 */
struct address_set *address_set_create(struct slice list, struct arena *arena, struct slice *wrong);
/* Never for what has no host: a unix socket, an unknown address. */
bool address_set_has(const struct address_set *set, const struct address *address);
