/*
 * upstream_budgets — what `moongate upstream` shows of retries and hedging: the budgets of all
 * workers, and what became of requests that were sent to a second target.
 */
#pragma once

#include "base/buffer.h"
#include "base/json_writer.h"
#include "base/slice.h"

struct shared;

/* At the end of that upstream's line; nothing where nothing was retried or may be hedged. */
void upstream_budgets_print(const struct shared *shared, struct slice upstream,
                            struct buffer *text);
/* As `budgets`: that upstream's; those of all when it has no name. */
void upstream_budgets_put(const struct shared *shared, struct slice upstream,
                          struct json_writer *writer);
