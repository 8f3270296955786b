/*
 * purge_answer — what the master answers to who wants answers purged.
 */
#pragma once

#include "base/slice.h"

struct control_client;
struct shared;

/* `words`: what stands behind the verb. Done when it returns. */
void purge_answer(struct shared *shared, struct control_client *client, struct slice words);
