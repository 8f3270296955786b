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

/* The next upstream that is wanted and discovered, with what is kept of it under `kind`. */
static bool next(const struct dict *dict, const struct target_board *board, const char *kind,
                 struct slice wanted, size_t *cursor, struct slice *upstream, struct slice *found)
{
    while (roster_next_upstream(board, cursor, upstream)) {
        if (wanted.length > 0 && !slice_equals(wanted, *upstream))
            continue;
        *found = find(dict, kind, *upstream);
        if (found->length > 0)
            return true;
    }
    return false;
}

void upstream_sources_print(const struct dict *dict, const struct target_board *board,
                            struct slice upstream, struct buffer *text)
{
    struct slice name, line;
    size_t cursor = 0;

    while (next(dict, board, "shown", upstream, &cursor, &name, &line)) {
        buffer_append(text, name);
        buffer_append(text, SLICE(" is discovered: "));
        buffer_append(text, line);
        buffer_append(text, SLICE("\n"));
    }
}

void upstream_sources_put(const struct dict *dict, const struct target_board *board,
                          struct slice upstream, struct json_writer *writer)
{
    struct slice name, state;
    size_t cursor = 0;

    json_writer_open_array(writer, "discovery");
    while (next(dict, board, "state", upstream, &cursor, &name, &state)) {
        json_writer_open_object(writer, NULL);
        json_writer_put_text(writer, "upstream", name);
        json_writer_put_raw(writer, "list", state);
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
}
