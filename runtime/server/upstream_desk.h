/*
 * upstream_desk — what `moongate upstream` asks of the master: which targets there are, and what an
 * operator says of one.
 */
#pragma once

#include "base/buffer.h"
#include "shm/shared.h"

#define UPSTREAM_DESK_BYTES_MAX ((size_t)3 << 20)

/*
 * `words` are those of the command line, with one blank between them: none, or a name, for a list;
 * else an action, an upstream, a target, and of "weight" a number. The answer, for people or as
 * JSON, is appended to `text`. False: what was asked for cannot be, and why is the answer.
 */
bool upstream_desk_answer(const struct shared *shared, struct slice words, bool wants_json,
                          struct buffer *text);
