/*
 * dict_cleaner — wins back room in a dictionary whose pages are all in use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dict;

/* A page is worth cleaning while at most so much of it lives. */
#define DICT_CLEAN_LIVE_PERCENT 75
/* After so many pages were searched in vain for what has expired, the next have to wait. */
#define DICT_SWEEP_PAGES_MAX   4
#define DICT_SWEEP_INTERVAL_NS 10000000ULL

/*
 * After an append found no room: moves the values of the emptiest page together,
 * or searches the next pages for expired ones. Whether to try the append again.
 * A call looks at DICT_SWEEP_PAGES_MAX pages at most.
 */
bool dict_cleaner_make_room(struct dict *dict, uint64_t now_ns);
