/*
 * http_date — dates as HTTP writes them (RFC 9110, 5.6.7), in seconds since the epoch.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"

/*
 * All three forms: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6
 * 08:49:37 1994". The day's name has to be one, but is not compared with the date. Years of two
 * digits that would be more than 50 years after `now` are of the century before. False for all
 * else: other zones, other case, missing or additional blanks, a date that no calendar has.
 */
bool http_date_parse(struct slice text, int64_t now, int64_t *seconds);

/* The first form, in the arena; of the years 1 to 9999. */
struct slice http_date_text(int64_t seconds, struct arena *arena);
