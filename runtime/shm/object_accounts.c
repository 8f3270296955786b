/*
 * object_accounts — a walk over the words of the pages, and a small table of sums.
 */
#include "shm/object_accounts.h"

#include "shm/object_metadata.h"

/* Of which the table has at least so many. */
#define FREE_MIN (OBJECT_ACCOUNTS_MAX / 4)

static uint64_t pages_for(const struct object_store *store, uint64_t bytes)
{
    return (bytes + store->page_bytes - 1) / store->page_bytes;
}

/* By what its first page says; wrong where it goes meanwhile, which the caller finds out. */
static uint64_t pages_of(const struct object_store *store, const struct object_record *record,
                         uint32_t page)
{
    uint64_t word = object_load(&record->metadata), pages = 1;
    uint64_t bytes = object_load(&record->bytes), whole = object_load(&record->body_bytes);
    uint64_t in_first = store->page_bytes - record->body_at;

    if (word == 0)
        return pages;
    if (whole != OBJECT_BYTES_UNKNOWN) /* its room is taken before it is filled */
        bytes = whole;
    if (object_metadata_chain(word, page) != OBJECT_PAGE_NONE)
        pages += pages_for(store, object_metadata_bytes(word));
    return pages + (bytes > in_first ? pages_for(store, bytes - in_first) : 0);
}

/* The place of the account, or a free one. */
static uint32_t place_of(const struct object_accounts *held, uint32_t account)
{
    uint32_t at = account % OBJECT_ACCOUNTS_MAX;

    while (held->accounts[at] != 0 && held->accounts[at] != account)
        at = (at + 1) % OBJECT_ACCOUNTS_MAX;
    return at;
}

static void add(struct object_accounts *held, uint32_t account, uint64_t bytes)
{
    uint32_t at = place_of(held, account);

    if (account == 0 ||
        (held->accounts[at] == 0 && held->count == OBJECT_ACCOUNTS_MAX - FREE_MIN)) {
        held->others += bytes;
        return;
    }
    held->count += held->accounts[at] == 0;
    held->accounts[at] = account;
    held->bytes[at] += bytes;
}

static bool is_first(enum object_page_kind kind)
{
    return kind == OBJECT_PAGE_FILLING || kind == OBJECT_PAGE_COMPLETE ||
           kind == OBJECT_PAGE_REMOVED;
}

bool object_accounts_look(const struct object_store *store, struct object_accounts *held,
                          uint32_t pages)
{
    uint32_t end = object_pages_end(store);

    for (; pages > 0 && held->page < end; pages--, held->page++) {
        uint64_t state = object_page_state(store, held->page);
        const struct object_record *record = object_record(store, held->page);
        if (!is_first(object_page_kind(state)))
            continue;
        uint32_t account = record->account;
        uint64_t count = pages_of(store, record, held->page);
        if (object_page_generation(object_page_state(store, held->page)) ==
            object_page_generation(state))
            add(held, account, count * store->page_bytes);
    }
    return held->page < end;
}

uint64_t object_accounts_take(struct object_accounts *held, uint32_t account)
{
    uint32_t at = place_of(held, account);
    uint64_t bytes = held->accounts[at] == account ? held->bytes[at] : 0;

    if (bytes > 0)
        held->bytes[at] = 0;
    return bytes;
}

uint64_t object_accounts_rest(const struct object_accounts *held)
{
    uint64_t sum = held->others;

    for (uint32_t at = 0; at < OBJECT_ACCOUNTS_MAX; at++)
        sum += held->bytes[at];
    return sum;
}
