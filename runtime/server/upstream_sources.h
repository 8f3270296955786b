/*
 * upstream_sources — how the targets of upstreams are discovered, as the workers have written it
 * down (lua/moongate/discovery/board.lua).
 */
#pragma once

#include "base/json_writer.h"
#include "shm/dict.h"
#include "shm/target_board.h"

/* Of that upstream, of all when it has no name: a line each, for people. */
void upstream_sources_print(const struct dict *dict, const struct target_board *board,
                            struct slice upstream, struct buffer *text);
/* The same as members of the object that is open: upstreams and what is known of their lists. */
void upstream_sources_put(const struct dict *dict, const struct target_board *board,
                          struct slice upstream, struct json_writer *writer);
