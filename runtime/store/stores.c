/*
 * stores — a list: hardly anybody has two.
 */
#include "store/stores.h"

#include <assert.h>

#include "base/list.h"
#include "base/mem.h"

struct stores {
    struct loop *loop;
    struct list all;
};

struct entry {
    struct list node;
    struct store *store;
    char *path;
    unsigned references;
};

struct stores *stores_create(struct loop *loop)
{
    struct stores *stores = mem_zeroed(sizeof(*stores));
    stores->loop = loop;
    list_init(&stores->all);
    return stores;
}

void stores_destroy(struct stores **stores)
{
    assert(list_is_empty(&(*stores)->all));
    free(*stores);
    *stores = NULL;
}

static struct entry *find(const struct stores *stores, const char *path, const struct store *store)
{
    for (struct list *node = stores->all.next; node != &stores->all; node = node->next) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        if (entry->store == store || (path != NULL && strcmp(entry->path, path) == 0))
            return entry;
    }
    return NULL;
}

struct store *stores_acquire(struct stores *stores, const struct store_options *options,
                             char *reason)
{
    struct entry *entry = find(stores, options->path, NULL);

    if (entry == NULL) {
        struct store *store = store_open(stores->loop, options, reason);
        if (store == NULL)
            return NULL;
        entry = mem_zeroed(sizeof(*entry));
        entry->store = store;
        entry->path = mem_string(options->path);
        list_push_back(&stores->all, &entry->node);
    }
    entry->references++;
    return entry->store;
}

void stores_release(struct stores *stores, struct store **store)
{
    struct entry *entry = find(stores, NULL, *store);

    assert(entry != NULL && entry->references > 0);
    *store = NULL;
    if (--entry->references > 0)
        return;
    list_remove(&entry->node);
    store_close(&entry->store);
    free(entry->path);
    free(entry);
}
