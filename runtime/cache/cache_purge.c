/*
 * cache_purge — URLs are made as keys are, the rest is the store's.
 */
#include "cache/cache_purge.h"

#include "base/mem.h"
#include "cache/cache_key.h"
#include "shm/object_purge.h"
#include "shm/values.h"

#define SWEEP_PAGES 1024

static const struct slice KINDS[] = {
    [CACHE_PURGE_URL] = {"url", 3}, [CACHE_PURGE_PREFIX] = {"prefix", 6},
    [CACHE_PURGE_TAG] = {"tag", 3}, [CACHE_PURGE_ROUTE] = {"route", 5},
    [CACHE_PURGE_ALL] = {"all", 3}, [CACHE_PURGE_PLUGIN] = {"plugin-cache", 12},
};

bool cache_purge_kind_of(struct slice name, enum cache_purge_kind *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(KINDS); i++) {
        if (slice_equals(KINDS[i], name)) {
            *kind = (enum cache_purge_kind)i;
            return true;
        }
    }
    return false;
}

static struct slice take_word(struct slice *line)
{
    size_t end = slice_find(*line, ' ');
    struct slice word = slice_of(line->start, end);

    *line = slice_after(*line, end < line->length ? end + 1 : end);
    return word;
}

bool cache_purge_read(struct slice line, struct cache_purge *purge)
{
    struct slice word = take_word(&line);

    *purge = (struct cache_purge){.is_soft = slice_equals(word, SLICE("soft"))};
    if (purge->is_soft)
        word = take_word(&line);
    purge->value = line;
    return cache_purge_kind_of(word, &purge->kind) &&
           (line.length > 0) == (purge->kind != CACHE_PURGE_ALL);
}

/* What has the URL for its whole key, and what has more beside it (cache_key.h). */
static enum cache_purge_result purge_url(struct object_store *store, struct slice url,
                                         enum object_purge_kind kind, struct arena *arena)
{
    struct slice uri = cache_key_of_uri(url, arena);

    if (uri.start == NULL)
        return CACHE_PURGE_NO_URL;
    object_purge_key(store, &(struct object_key){.bytes = uri}, kind);
    object_purge_tag(store, cache_key_uri_tag(uri, arena), kind);
    return CACHE_PURGE_DONE;
}

static enum cache_purge_result purge_prefix(struct object_store *store, struct slice prefix,
                                            enum object_purge_kind kind, struct arena *arena)
{
    struct slice uri = cache_key_of_uri(prefix, arena);

    if (uri.start == NULL)
        return CACHE_PURGE_NO_URL;
    if (uri.length > OBJECT_PURGE_PREFIX_BYTES_MAX)
        return CACHE_PURGE_TOO_LONG;
    return object_purge_prefix(store, uri, kind) ? CACHE_PURGE_BEGUN : CACHE_PURGE_BUSY;
}

static enum cache_purge_result purge_plugin(struct values *values, const struct cache_purge *purge)
{
    if (purge->is_soft)
        return CACHE_PURGE_NOT_SOFT;
    values_purge(values, purge->value);
    return CACHE_PURGE_DONE;
}

enum cache_purge_result cache_purge_begin(struct object_store *store, struct values *values,
                                          const struct cache_purge *purge, struct arena *arena)
{
    enum object_purge_kind kind = purge->is_soft ? OBJECT_PURGE_SOFT : OBJECT_PURGE_HARD;

    switch (purge->kind) {
    case CACHE_PURGE_URL:
        return purge_url(store, purge->value, kind, arena);
    case CACHE_PURGE_PREFIX:
        return purge_prefix(store, purge->value, kind, arena);
    case CACHE_PURGE_TAG:
        object_purge_tag(store, purge->value, kind);
        return CACHE_PURGE_DONE;
    case CACHE_PURGE_ROUTE:
        object_purge_route(store, purge->value, kind);
        return CACHE_PURGE_DONE;
    case CACHE_PURGE_ALL:
        object_purge_all(store, kind);
        return CACHE_PURGE_DONE;
    case CACHE_PURGE_PLUGIN:
        return purge_plugin(values, purge);
    }
    return CACHE_PURGE_DONE;
}

const char *cache_purge_fault(enum cache_purge_result result)
{
    switch (result) {
    case CACHE_PURGE_DONE:
    case CACHE_PURGE_BEGUN:
        return NULL;
    case CACHE_PURGE_NO_URL:
        return "that is no URL; expected one like https://example.com/path";
    case CACHE_PURGE_TOO_LONG:
        return "that is too long; expected at most 1024 bytes";
    case CACHE_PURGE_NOT_SOFT:
        return "what plugins cache does not become stale; expected a purge that is not soft";
    case CACHE_PURGE_BUSY:
        return "16 prefixes are being purged already; try again";
    }
    return NULL;
}

bool cache_purge_sweep(struct object_store *store, struct object_purge_scan *scan)
{
    return object_purge_continue(store, scan, SWEEP_PAGES);
}
