/*
 * scope_source — what requests are counted by: where C finds it in them.
 *
 * An address, a name or a field differs from request to request: none of them becomes a text of
 * Lua, which would have to be found among all others and collected.
 */
#pragma once

#include "bridge/exports.h"

struct scope_source {
    enum moon_scope kind;
    struct slice name;  /* of a header, a parameter and so on */
    int id;             /* moon_field_id() of a header's */
    struct slice given; /* MOON_SCOPE_GIVEN: the text of the next request, start NULL: none */
};

/* False, and the empty text, where the request has nothing of the kind. */
bool scope_source_find(const struct scope_source *source, struct exchange *exchange,
                       struct slice *text);
