/*
 * path_template — a path with places for what a route's pattern captured: "/v2/users/{id}".
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

#define PATH_TEMPLATE_PARTS_MAX 64

struct path_template;

/* One captured segment ({name}) or rest ({name*}), in the normalised, still escaped form. */
struct path_capture {
    struct slice value;
};

/*
 * Compiles `text`, whose placeholders name entries of `names`; in the arena, which must outlive it.
 * NULL with a text in `error` ("unknown placeholder {idd}; the pattern has {id}").
 */
const struct path_template *path_template_compile(struct slice text, const struct slice *names,
                                                  size_t name_count, struct arena *arena,
                                                  struct slice *error);
/* Whether both render the same captures alike, whatever those are called. */
bool path_template_equals(const struct path_template *one, const struct path_template *other);
/* In another arena, which the copy lasts as long as. */
const struct path_template *path_template_copy(const struct path_template *path_template,
                                               struct arena *arena);
struct slice path_template_render(const struct path_template *path_template,
                                  const struct path_capture *captures, struct arena *arena);
