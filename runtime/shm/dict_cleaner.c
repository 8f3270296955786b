/*
 * dict_cleaner — walks a page, and asks the key's cell of each record whether it lives.
 */
#include "shm/dict_cleaner.h"

#include "shm/dict_record.h"

/* What became of the records of a page. */
struct cleaning {
    size_t kept_bytes; /* still published, and in this page */
    bool is_moving;
};

/* To a page of this process; false when there is no room for it. */
static bool move(struct dict *dict, struct cell_seen *seen, size_t bytes)
{
    page_log_spot old = seen->word, spot;
    if (!page_log_append(&dict->log, bytes, true, &spot))
        return false;
    memcpy(page_log_at(&dict->log, spot), page_log_at(&dict->log, old), bytes);
    page_log_commit(&dict->log);
    if (cell_swap(seen, spot))
        page_log_release(&dict->log, old, bytes);
    else
        page_log_take_back(&dict->log, spot, bytes);
    return true;
}

/* Nobody overwrites a page in cleaning, so its records hold still. */
static size_t clean_record(struct dict *dict, page_log_spot spot, uint64_t now_ns,
                           struct cleaning *cleaning)
{
    const struct dict_record *record =
        (const struct dict_record *)(void *)page_log_at(&dict->log, spot);
    size_t bytes = dict_record_bytes(record->key_length, record->string_length);
    struct cell_seen seen;

    if (!cell_table_find(&dict->cells, record->tag, &seen) || seen.word != spot)
        return bytes;
    if (dict_record_is_expired(record, now_ns)) {
        if (cell_free(&seen))
            page_log_release(&dict->log, spot, bytes);
        return bytes;
    }
    if (!cleaning->is_moving || !move(dict, &seen, bytes)) {
        cleaning->is_moving = false;
        cleaning->kept_bytes += page_log_rounded(bytes);
    }
    return bytes;
}

static void walk(struct dict *dict, uint32_t page, uint64_t now_ns, struct cleaning *cleaning)
{
    page_log_spot spot;
    size_t offset = 0;
    while (page_log_clean_spot(&dict->log, page, offset, &spot))
        offset += page_log_rounded(clean_record(dict, spot, now_ns, cleaning));
}

/* The bytes that are still published in that page. */
static size_t tidy(struct dict *dict, uint32_t page, uint64_t now_ns, bool is_moving)
{
    struct cleaning cleaning = {.is_moving = is_moving};
    walk(dict, page, now_ns, &cleaning);
    return cleaning.kept_bytes;
}

static size_t live_max(const struct dict *dict)
{
    return (size_t)dict->log.page_bytes * DICT_CLEAN_LIVE_PERCENT / 100;
}

/* Looks at what really lives in a page taken for cleaning: it may count what killed
 * workers did not release. Whether that was worth it. */
static bool sweep_page(struct dict *dict, uint32_t page, uint64_t now_ns)
{
    size_t kept = tidy(dict, page, now_ns, false);
    bool is_worth_it = kept <= live_max(dict);
    if (kept > 0 && is_worth_it)
        kept = tidy(dict, page, now_ns, true);
    page_log_clean_end(&dict->log, page, kept == 0);
    return is_worth_it;
}

/* The next pages in turn; after some in vain the next have to wait. */
static bool sweep(struct dict *dict, uint64_t now_ns)
{
    struct dict_shared *shared = dict->shared;
    int searched = 0;
    if (now_ns < __atomic_load_n(&shared->sweep_time_ns, __ATOMIC_RELAXED))
        return false;
    for (uint32_t i = 0; i < dict->log.pages && searched < DICT_SWEEP_PAGES_MAX; i++) {
        uint64_t turn = __atomic_fetch_add(&shared->sweep_page, 1, __ATOMIC_RELAXED);
        uint32_t page = (uint32_t)(turn % dict->log.pages);
        if (!page_log_clean_start(&dict->log, page))
            continue;
        if (sweep_page(dict, page, now_ns))
            return true;
        searched++;
    }
    __atomic_store_n(&shared->sweep_time_ns, now_ns + DICT_SWEEP_INTERVAL_NS, __ATOMIC_RELAXED);
    return false;
}

bool dict_cleaner_make_room(struct dict *dict, uint64_t now_ns)
{
    uint32_t page = page_log_emptiest(&dict->log, live_max(dict));
    if (page == PAGE_LOG_NONE || !page_log_clean_start(&dict->log, page))
        return sweep(dict, now_ns);
    size_t kept = tidy(dict, page, now_ns, true);
    page_log_clean_end(&dict->log, page, kept == 0);
    return true;
}
