/*
 * watch_list — what bundles name is what a gateway watches.
 */
#pragma once

#include <stddef.h>
#include <time.h>

struct watch;

/*
 * Watches what is named in the bundles behind `fds`, -1: none. What was there and what was not is
 * as the first one says that names it; what only later ones name may have gone or come since.
 */
void watch_list_set(struct watch *watch, const int *fds, size_t count, struct timespec read);
