/*
 * language_alias — an object without a body, whose metadata says which variant is meant.
 */
#include "cache/language_alias.h"

#include "cache/variant.h"

/* No stored head begins so. */
#define ALIAS "alias\n"

/* The only one; start NULL: none, or several. */
static struct slice language_of(const struct response *response, struct arena *arena)
{
    struct slice value = headers_joined(&response->headers, arena, SLICE("content-language"));
    bool is_one = value.length > 0 && slice_find(value, ',') == value.length;

    return is_one ? slice_trimmed(value) : SLICE_NONE;
}

static void write_alias(struct object_store *store, struct object_fill *fill, struct slice target,
                        const struct object_head_source *source, const struct object_head *like)
{
    const struct object_head head = {.metadata = arena_join(source->arena, SLICE(ALIAS), target),
                                     .useful_until_ns = like->useful_until_ns,
                                     .body_bytes = 0};

    if (object_fill_head(store, fill, &head, (uint64_t)(source->times.received * 1e9)) ==
        OBJECT_DONE)
        object_fill_complete(store, fill);
    else
        object_fill_abort(store, fill);
}

void language_alias_add(struct object_store *store, const struct object_head_source *source,
                        const struct language_alias *alias)
{
    struct slice language = language_of(source->response, source->arena);
    struct object_hold marker;
    struct object_fill fill = {0};

    if (language.start == NULL)
        return;
    struct slice variant = variant_key_of_language(alias->rules, language,
                                                   &source->asked->request->headers, source->arena);
    if (variant.start == NULL || slice_equals(variant, alias->variant) ||
        object_store_find(store, source->key, alias->claim.now_ns, &marker) != OBJECT_VARIES)
        return;
    if (object_fill_claim_variant(store, &marker, variant, &alias->claim, &fill) == OBJECT_DONE)
        write_alias(store, &fill, alias->variant, source, alias->head);
    object_store_release(store, &marker);
}

enum object_found language_alias_find(struct object_store *store, const struct language_wish *wish,
                                      struct object_hold *hold)
{
    struct slice language = variant_language(wish->request, wish->arena);
    struct slice prefix = SLICE(ALIAS);

    if (language.start == NULL)
        return OBJECT_MISSING;
    struct slice variant =
        variant_key_of_language(wish->rules, language, wish->request, wish->arena);
    if (variant.start == NULL || object_store_find_variant(store, wish->marker, variant,
                                                           wish->now_ns, hold) != OBJECT_COMPLETE)
        return OBJECT_MISSING;
    struct slice metadata = object_store_metadata(store, hold);
    if (!slice_starts_with(metadata, prefix))
        return OBJECT_COMPLETE; /* of a request for this language alone */
    struct slice target = arena_copy(wish->arena, slice_after(metadata, prefix.length));
    object_store_release(store, hold);
    if (object_store_find_variant(store, wish->marker, target, wish->now_ns, hold) ==
        OBJECT_COMPLETE)
        return OBJECT_COMPLETE;
    return OBJECT_MISSING;
}
