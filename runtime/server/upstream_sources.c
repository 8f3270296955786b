/*
 * upstream_sources — looks up what stands in the shared dictionary for each upstream in use.
 */
#include "server/upstream_sources.h"

#include <stdio.h>

#include "base/clock.h"
#include "upstream/roster.h"

#define KEY_BYTES   512
#define NANOSECONDS 1e9

/* What plugins' dictionaries begin with: their name, and a zero byte. */
static const char PREFIX[] = "moongate.discovery";

/* Borrowed until the next one; SLICE_NONE when there is none. */
static struct slice find(const struct dict *dict, const char *kind, struct slice upstream)
{
    char key[KEY_BYTES];
    struct dict_value value;
    int length = snprintf(key, sizeof(key), "%s%c%s %.*s", PREFIX, 0, kind, SLICE_FORMAT(upstream));

    if (length < 0 || (size_t)length >= sizeof(key) ||
        dict_get(dict, slice_of(key, (size_t)length), (uint64_t)(clock_wall() * NANOSECONDS),
                 &value) != DICT_DONE ||
        value.kind != DICT_STRING)
        return SLICE_NONE;
    return value.string;
}

/* Through the upstreams that are wanted and discovered. */
struct walk {
    const struct dict *dict;
    const struct target_board *board;
    struct slice wanted; /* SLICE_NONE: all */
    uint32_t cursor;
    struct slice upstream, found; /* where it is, and what is kept of it */
};

static bool go_on(struct walk *walk, const char *kind)
{
    while (roster_next_upstream(walk->board, &walk->cursor, &walk->upstream)) {
        if (walk->wanted.length > 0 && !slice_equals(walk->wanted, walk->upstream))
            continue;
        walk->found = find(walk->dict, kind, walk->upstream);
        if (walk->found.length > 0)
            return true;
    }
    return false;
}

void upstream_sources_print(const struct dict *dict, const struct target_board *board,
                            struct slice upstream, struct buffer *text)
{
    struct walk walk = {.dict = dict, .board = board, .wanted = upstream};

    while (go_on(&walk, "shown")) {
        buffer_append(text, walk.upstream);
        buffer_append(text, SLICE(" is discovered: "));
        buffer_append(text, walk.found);
        buffer_append(text, SLICE("\n"));
    }
}

void upstream_sources_put(const struct dict *dict, const struct target_board *board,
                          struct slice upstream, struct json_writer *writer)
{
    struct walk walk = {.dict = dict, .board = board, .wanted = upstream};

    json_writer_open_array(writer, "discovery");
    while (go_on(&walk, "state")) {
        json_writer_open_object(writer, NULL);
        json_writer_put_text(writer, "upstream", walk.upstream);
        json_writer_put_raw(writer, "list", walk.found);
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
}
