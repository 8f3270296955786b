/*
 * exchange_deadline — the end of the time that a request's client has given it, on routes that ask
 * for it.
 *
 * Counted from when its route was found, over all that it waits for: plugins, a queue, each
 * attempt. A client may shorten the route's total time; lengthen it may only a proxy whom the rules
 * trust. What nobody can read, or is given twice, is as if it were not there, and counted.
 */
#pragma once

#include <stdbool.h>

struct exchange;

/* The exchange's route is found and has rules; before plugins. */
void exchange_deadline_begin(struct exchange *exchange);
/* Whether too little is left to send anything; if so that is counted, and to be answered. */
bool exchange_deadline_has_ended(struct exchange *exchange);
/* Seconds left; a negative number where there is no deadline. */
double exchange_deadline_left(const struct exchange *exchange);
/* The exchange is over. */
void exchange_deadline_end(struct exchange *exchange);
