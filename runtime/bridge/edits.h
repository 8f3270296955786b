/*
 * edits — what the response phase of a route changes, where that is known beforehand: from C.
 *
 * Lua says what it is when it runs the phase of a route for the first time (moongate/native.lua),
 * and is not entered for it again. Where an edit might fail, it is: so errors are Lua's alone.
 */
#pragma once

#include <stdbool.h>

struct exchange;

/* The response phase, where C alone can run it: true, and it has run. */
bool edits_run(struct exchange *exchange);
