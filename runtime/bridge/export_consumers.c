/*
 * export_consumers — the configuration's consumers for Lua.
 */
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "crypto/sha256.h"

#define KEY_PREFIX "key/"
/* What the upstream takes as said by the gateway (moongate/auth.lua). */
#define OURS_PREFIX "x-consumer-"

_Static_assert((int)MOON_CONSUMER_TAGS == (int)CONSUMER_TAGS, "Lua's lists are the consumers'");
_Static_assert((int)MOON_CONSUMER_UNKNOWN == CONSUMERS_MISSING, "whom nobody knows is missing");

static int find(struct generation *generation, struct slice name, struct slice *secret)
{
    struct credential found;

    if (!consumers_credential(generation->consumers, name, moon_now(generation), &found))
        return CONSUMERS_MISSING;
    *secret = found.secret;
    return found.consumer;
}

int moon_consumer_by_key(struct generation *generation, const char *key, size_t length,
                         char *digest)
{
    char name[sizeof(KEY_PREFIX) - 1 + SHA256_BYTES];
    struct slice secret;

    sha256_of(exports_slice(key, length), digest);
    memcpy(name, KEY_PREFIX, sizeof(KEY_PREFIX) - 1);
    memcpy(name + sizeof(KEY_PREFIX) - 1, digest, SHA256_BYTES);
    return find(generation, slice_of(name, sizeof(name)), &secret);
}

int moon_consumer_by_field(struct exchange *exchange, int id, const char *name, size_t name_length,
                           char *digest)
{
    struct slice key;

    if (!moon_header_get(exchange, 0, id, name, name_length, &key))
        return MOON_CONSUMER_NO_FIELD;
    return moon_consumer_by_key(exchange->generation, key.start, key.length, digest);
}

int moon_consumer_by_credential(struct generation *generation, const char *name, size_t length,
                                struct slice *secret)
{
    return find(generation, exports_slice(name, length), secret);
}

int moon_consumer_by_name(struct generation *generation, const char *name, size_t length)
{
    return consumers_by_name(generation->consumers, exports_slice(name, length));
}

uint32_t moon_consumer_count(struct generation *generation)
{
    return consumers_count(generation->consumers);
}

void moon_build_order(struct generation *generation)
{
    consumers_sort(generation->consumers);
}

int moon_consumer_after(struct generation *generation, const char *name, size_t length)
{
    return consumers_after(generation->consumers, exports_slice(name, length));
}

void moon_consumer_texts(struct generation *generation, int consumer, struct slice *texts)
{
    texts[0] = consumers_name(generation->consumers, consumer);
    texts[1] = consumers_plan(generation->consumers, consumer);
}

/* NOLINTNEXTLINE(readability-function-size): scalars, as in export_headers.c. */
int moon_consumer_tell(struct exchange *exchange, int consumer, int id, const char *name,
                       size_t name_length, bool is_alone)
{
    static const struct slice OURS = SLICE(OURS_PREFIX);

    moon_header_remove_prefix(exchange, 0, OURS.start, OURS.length);
    if (is_alone)
        moon_header_remove_alike(exchange, 0, name, name_length);
    /* None of that name is left. */
    struct slice value = consumers_name(exchange->generation->consumers, consumer);
    return moon_header_add(exchange, 0, id, name, name_length, value.start, value.length);
}

bool moon_consumer_item(struct generation *generation, int consumer, int list, uint32_t *at,
                        struct slice *item)
{
    assert(list >= 0 && list < CONSUMER_LISTS);
    return consumers_next(generation->consumers, consumer, (enum consumer_list)list, at, item);
}
