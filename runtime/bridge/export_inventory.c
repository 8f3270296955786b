/*
 * export_inventory — what a configuration has, for Lua to tell.
 */
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "bridge/inventory.h"

_Static_assert((int)MOON_INVENTORY_ROUTE == INVENTORY_ROUTE &&
                   (int)MOON_INVENTORY_SETTING == INVENTORY_SETTING,
               "Lua counts kinds as C does");

bool moon_inventory_is_wanted(struct generation *generation)
{
    return generation->inventory != NULL;
}

void moon_inventory_add(struct generation *generation, int kind, const struct slice *texts,
                        const char *content, size_t length)
{
    assert(generation->inventory != NULL);
    inventory_add(generation->inventory, (enum inventory_kind)kind, texts[0],
                  exports_slice(content, length), texts[1]);
}
