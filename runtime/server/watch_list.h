/*
 * watch_list — what bundles name is what a gateway watches.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

struct watch;

/*
 * Watches what is named in the bundles behind two descriptors, -1: none. What was there and what
 * was not is as the latest one says, if it names it; what only the other one names may have gone or
 * come since. Whether there is such a thing.
 */
bool watch_list_set(struct watch *watch, int latest_fd, int other_fd, struct timespec read);
