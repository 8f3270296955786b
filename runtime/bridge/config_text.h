/*
 * config_text — the configuration as /config shows it: the library "moongate.core.config_text".
 *
 * Made when somebody asks, from what the generation was read from, and then forgotten: it may be
 * larger than all else that a worker has, and takes as long to make as a third of a reading.
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

#define CONFIG_TEXT_BYTES_MAX ((size_t)256 << 20)

struct buffer;
struct generation;

/* Beyond the maximum there is none any more: `*text` is cleared, and NULL. */
void config_text_add(struct buffer **text, struct slice piece);
/* Nobody waits for the generation's any more, nor ever will. */
void config_text_end(struct generation *generation);
