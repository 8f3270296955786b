/*
 * structured_reader — bare items and keys of structured fields, read one by one.
 *
 * For structured_field.c; others read whole fields.
 */
#pragma once

#include "http/structured_field.h"

struct structured_reader {
    const char *at, *end;
    struct arena *arena;
};

static inline bool structured_reader_sees(const struct structured_reader *reader, char c)
{
    return reader->at < reader->end && *reader->at == c;
}

/* Steps over `c` if it is next. */
bool structured_reader_take(struct structured_reader *reader, char c);
/* Steps over spaces, and tabs too where `with_tabs`. */
void structured_reader_skip(struct structured_reader *reader, bool with_tabs);
bool structured_reader_key(struct structured_reader *reader, struct slice *key);
bool structured_reader_value(struct structured_reader *reader, struct structured_value *value);
