/*
 * object_head — a stored head with its tags.
 */
#include "cache/object_head.h"

#include "cache/cache_key.h"
#include "cache/cache_tags.h"
#include "cache/validation.h"

enum storability object_head_storability(const struct object_head_source *source,
                                         struct storable *storable)
{
    return storability_of(source->asked, source->response, source->times, source->arena, storable);
}

/* Those that the answer gives itself, and that of its URI where the key says more. */
static void add_tags(const struct object_head_source *source, struct object_head *head)
{
    const struct object_key *key = source->key;
    const struct header_key *field = &source->asked->policy->tags;
    struct slice *tags = arena_alloc(source->arena, OBJECT_TAGS_MAX * sizeof(*tags));
    size_t count = 0;

    if (key->url_at > 0)
        tags[count++] = cache_key_uri_tag(slice_after(key->bytes, key->url_at), source->arena);
    if (field->name.start != NULL) {
        struct slice rest = headers_joined_key(&source->response->headers, source->arena, *field);
        while (count < OBJECT_TAGS_MAX && cache_tags_next(&rest, &tags[count]))
            count++;
    }
    head->tags = tags;
    head->tag_count = count;
}

static uint64_t body_bytes(const struct response *response)
{
    if (response->body == BODY_LENGTH)
        return response->content_length;
    return response->body == BODY_NONE ? 0 : OBJECT_BYTES_UNKNOWN;
}

bool object_head_make(const struct object_head_source *source, const struct storable *storable,
                      struct object_head *head)
{
    double kept = freshness_kept(&storable->freshness, source->times.received);
    struct slice metadata =
        stored_head_write(source->asked, source->response, storable, source->arena);

    if (metadata.start == NULL)
        return false;
    *head = (struct object_head){
        .metadata = metadata,
        .useful_until_ns = (uint64_t)((source->times.received + kept) * 1e9),
        .body_bytes = body_bytes(source->response),
    };
    add_tags(source, head);
    return true;
}

bool object_head_freshen(struct http_cache *cache, const struct object_head_source *source,
                         const struct stored_head *stored, struct object_refresh *refresh)
{
    struct object_head_source fresh = *source;
    struct response freshened;
    struct storable storable;
    struct object_head head;

    validation_freshen(stored, source->response, &freshened, source->arena);
    fresh.response = &freshened;
    if (object_head_storability(&fresh, &storable) == STORABLE &&
        object_head_make(&fresh, &storable, &head))
        return object_fill_refresh_done(cache->store, refresh, &head, http_cache_ns(cache, 0)) ==
               OBJECT_DONE;
    object_fill_refresh_give_up(cache->store, refresh);
    return false;
}
