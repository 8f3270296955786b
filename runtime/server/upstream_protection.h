/*
 * upstream_protection — what `moongate upstream` and `moongate status` show of what protects an
 * upstream: how many requests it gets at once, its queue, and its budgets of retries and hedging.
 */
#pragma once

#include "base/buffer.h"
#include "base/json_writer.h"
#include "base/slice.h"

struct shared;

/* For one line, each with a comma before it; nothing where nothing has happened. */
void upstream_protection_print(const struct shared *shared, struct slice upstream,
                               struct buffer *text);
/* As `concurrency` and `budgets`: that upstream's; those of all when it has no name. */
void upstream_protection_put(const struct shared *shared, struct slice upstream,
                             struct json_writer *writer);
