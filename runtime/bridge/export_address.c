/*
 * export_address — sets of address blocks for Lua: parsed while a generation is built, asked while
 * it serves.
 */
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "net/address_set.h"

struct address_set *moon_address_set(struct generation *generation, const char *list,
                                     size_t list_length, struct slice *wrong)
{
    *wrong = SLICE_NONE;
    if (generation->draft == NULL)
        return NULL;
    return address_set_create(exports_slice(list, list_length), &generation->arena, wrong);
}

bool moon_address_set_has(const struct address_set *set, const char *text, size_t text_length)
{
    struct address address;
    return address_parse_host(exports_slice(text, text_length), 0, &address) &&
           address_set_has(set, &address);
}
