/*
 * difference — what one configuration has that another has not, or has in another form.
 */
#pragma once

#include "base/json_writer.h"
#include "bridge/inventory.h"

/* Of each kind so many are named; all are counted. */
#define DIFFERENCE_NAMED_MAX 1000

enum difference_change {
    DIFFERENCE_ADDED,
    DIFFERENCE_EDITED,
    DIFFERENCE_REMOVED,
    DIFFERENCE_COUNT
};

struct difference;

/* Between two sealed inventories; NULL when one cannot be read. The descriptors stay the caller's.
 */
struct difference *difference_create(int from_fd, int to_fd);
/* From what difference_seal() made, in whatever process; NULL when that is none. `fd` stays the
 * caller's. */
struct difference *difference_open(int fd);
void difference_destroy(struct difference **difference);
/* A descriptor of memory, close-on-exec, for difference_open(); -1 with errno. */
int difference_seal(const struct difference *difference);

bool difference_is_empty(const struct difference *difference);
/* For people: a line for each kind that has any, with a line below it for each of the first. */
void difference_print(const struct difference *difference, struct buffer *into);
/* "routes": { "added": [{"name": …, "at": …}], "edited": […], "removed": […] }, …; members of the
 * object that is being written. `named_max`: of each list. */
void difference_write(const struct difference *difference, struct json_writer *writer,
                      size_t named_max);
