/*
 * structured_writer — structured fields as text (RFC 9651, 4.1).
 *
 * In the arena. Start NULL: something cannot be written: a number out of range, a string that is
 * not printable ASCII, a token or a key that is none.
 */
#pragma once

#include "http/structured_field.h"

struct slice structured_writer_value(struct structured_value value, struct arena *arena);
struct slice structured_writer_item(const struct structured_item *item, struct arena *arena);
/* Empty for a field without members, which is not to be sent. */
struct slice structured_writer_list(const struct structured_field *field, struct arena *arena);
struct slice structured_writer_dictionary(const struct structured_field *field,
                                          struct arena *arena);
