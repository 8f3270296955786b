/*
 * protection_report — what circuit breakers, limits, budgets, deadlines and load shedding have
 * done, as `moongate status` tells it.
 */
#pragma once

#include "base/buffer.h"
#include "base/json_writer.h"

struct shared;

/* Nothing of what has never done anything. */
void protection_report_print(const struct shared *shared, struct buffer *into);
/* As `protection` of the object that is open. */
void protection_report_write(const struct shared *shared, struct json_writer *writer);
