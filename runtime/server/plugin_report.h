/*
 * plugin_report — what plugins cost, the most expensive first, as `moongate status` tells it.
 */
#pragma once

#include "base/buffer.h"
#include "base/json_writer.h"
#include "shm/plugin_accounts.h"

/* Nothing where no plugin has been called. */
void plugin_report_print(const struct plugin_accounts *accounts, struct buffer *into);
/* Members of the object that is open. */
void plugin_report_write(const struct plugin_accounts *accounts, struct json_writer *writer);
