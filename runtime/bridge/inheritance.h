/*
 * inheritance — requests that outlive their generation by far go over to the current one.
 *
 * Once an answer streams through no plugin, and in a tunnel, all that Lua still does for a request
 * is to log it. So that a tunnel of hours does not keep a whole generation in memory, the current
 * one logs it instead, with the plugins of the route of that name, or of `use` where there is none.
 * What plugins had noted in the request object is not there any more.
 */
#pragma once

#include "bridge/generation.h"

/* Looks at some of the requests of `ancestor` with each call, from `*slot` on, which it moves; back
 * at 0 it has seen all. The ancestor may be freed by the last one: hold a reference. */
void inheritance_take(struct generation *ancestor, struct generation *heir, uint32_t *slot);
