/*
 * export_consumers — the configuration's consumers for Lua.
 */
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "crypto/sha256.h"

#define KEY_PREFIX "key/"

_Static_assert((int)MOON_CONSUMER_SCOPES == (int)CONSUMER_SCOPES, "Lua's lists are the consumers'");

static int find(struct generation *generation, struct slice name, struct slice *secret)
{
    const struct credential *found =
        consumers_credential(generation->consumers, name, moon_now(generation));
    if (found == NULL)
        return CONSUMERS_MISSING;
    *secret = found->secret;
    return found->consumer;
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

bool moon_consumer_texts(struct generation *generation, int consumer, struct slice *texts)
{
    const struct consumer *found = consumers_at(generation->consumers, consumer);
    if (found == NULL)
        return false;
    texts[0] = found->name;
    texts[1] = found->plan;
    return true;
}

bool moon_consumer_item(struct generation *generation, int consumer, int list, uint32_t at,
                        struct slice *item)
{
    const struct consumer *found = consumers_at(generation->consumers, consumer);
    assert(list >= 0 && list < CONSUMER_LISTS);
    if (found == NULL || at >= found->list_counts[list])
        return false;
    *item = found->lists[list][at];
    return true;
}

bool moon_consumer_tag(struct generation *generation, int consumer, uint32_t at, struct slice *pair)
{
    const struct consumer *found = consumers_at(generation->consumers, consumer);
    if (found == NULL || at >= found->tag_count)
        return false;
    pair[0] = found->tags[2 * (size_t)at];
    pair[1] = found->tags[2 * (size_t)at + 1];
    return true;
}
