/*
 * fetch_library — what a generation keeps for the requests of its plugins.
 */
#pragma once

struct generation;

/* Memory that is kept for reuse; when none of its tasks waits any more. */
void fetches_clear(struct generation *generation);
