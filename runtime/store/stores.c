/*
 * stores — a list: hardly anybody has two.
 */
#include "store/stores.h"

#include <assert.h>
#include <sys/stat.h>

#include "base/list.h"
#include "base/mem.h"

struct stores {
    struct loop *loop;
    struct list all;
};

struct entry {
    struct list node;
    struct store *store;
    dev_t device; /* of its folder, however its path is spelt: no process may open one twice */
    ino_t inode;
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

static struct entry *find(const struct stores *stores, const struct store *store)
{
    for (struct list *node = stores->all.next; node != &stores->all; node = node->next) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        if (entry->store == store)
            return entry;
    }
    return NULL;
}

static struct entry *find_folder(const struct stores *stores, const char *path)
{
    struct stat folder;

    if (stat(path, &folder) != 0)
        return NULL;
    for (struct list *node = stores->all.next; node != &stores->all; node = node->next) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        if (entry->device == folder.st_dev && entry->inode == folder.st_ino)
            return entry;
    }
    return NULL;
}

static struct entry *add(struct stores *stores, struct store *store, const char *path)
{
    struct stat folder = {0};
    struct entry *entry = mem_zeroed(sizeof(*entry));

    if (stat(path, &folder) == 0) { /* gone already: nobody else finds it either */
        entry->device = folder.st_dev;
        entry->inode = folder.st_ino;
    }
    entry->store = store;
    list_push_back(&stores->all, &entry->node);
    return entry;
}

struct store *stores_acquire(struct stores *stores, const struct store_options *options,
                             char *reason)
{
    struct entry *entry = find_folder(stores, options->path);

    if (entry == NULL) {
        struct store *store = store_open(stores->loop, options, reason);
        if (store == NULL)
            return NULL;
        entry = add(stores, store, options->path);
    }
    entry->references++;
    return entry->store;
}

void stores_release(struct stores *stores, struct store **store)
{
    struct entry *entry = find(stores, *store);

    assert(entry != NULL && entry->references > 0);
    *store = NULL;
    if (--entry->references > 0)
        return;
    list_remove(&entry->node);
    store_close(&entry->store);
    free(entry);
}
