/*
 * listen_options — a copy in one piece of memory: the count, the options, what they point to.
 */
#include "gateway/listen_options.h"

#include <assert.h>

#include "base/mem.h"
#include "net/tls_context.h"

struct counted {
    unsigned references;
    struct listen_options options;
    struct address_block sources[]; /* then the name */
};

static struct counted *counted_of(const struct listen_options *copy)
{
    return CONTAINER_OF((struct listen_options *)copy, struct counted, options);
}

const struct listen_options *listen_options_copy(const struct listen_options *options)
{
    const struct listener_options *listener = &options->listener;
    size_t source_bytes = listener->proxy_source_count * sizeof(struct address_block);
    struct counted *counted =
        mem_zeroed(sizeof(*counted) + source_bytes + options->name.length + 1);
    char *name = (char *)counted->sources + source_bytes;

    counted->references = 1;
    counted->options = *options;
    if (source_bytes > 0)
        memcpy(counted->sources, listener->proxy_sources, source_bytes);
    counted->options.listener.proxy_sources = counted->sources;
    if (options->name.length > 0)
        memcpy(name, options->name.start, options->name.length);
    counted->options.name.start = name;
    if (listener->tls != NULL)
        tls_context_acquire(listener->tls);
    return &counted->options;
}

const struct listen_options *listen_options_acquire(const struct listen_options *copy)
{
    counted_of(copy)->references++;
    return copy;
}

void listen_options_release(const struct listen_options **copy)
{
    struct counted *counted = counted_of(*copy);

    *copy = NULL;
    assert(counted->references > 0);
    if (--counted->references > 0)
        return;
    if (counted->options.listener.tls != NULL)
        tls_context_release(&counted->options.listener.tls);
    free(counted);
}
