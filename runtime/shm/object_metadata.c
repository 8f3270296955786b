/*
 * object_metadata — how many tags, their places, the text; in one page or several.
 */
#include "shm/object_metadata.h"

#include <assert.h>

#include "shm/object_eviction.h"
#include "shm/object_stamps.h"

/* Of the word: the page (28 bits), the length (15), a version (21), which is never 0. */
#define LENGTH_SHIFT  28
#define VERSION_SHIFT 43
#define LENGTH_MASK   ((1U << 15) - 1)
#define VERSION_MASK  ((1U << 21) - 1)
_Static_assert(OBJECT_METADATA_COPY_BYTES <= LENGTH_MASK, "lengths fit");

/* Overtaken so often by those who replace it, a reader gives up. */
#define READS_MAX 1000

static uint64_t word_of(uint32_t page, size_t length, uint64_t before)
{
    uint64_t version = (before >> VERSION_SHIFT) + 1;
    if (version > VERSION_MASK)
        version = 1;
    return version << VERSION_SHIFT | (uint64_t)length << LENGTH_SHIFT | page;
}

size_t object_metadata_bytes(uint64_t word)
{
    return (size_t)(word >> LENGTH_SHIFT) & LENGTH_MASK;
}

uint32_t object_metadata_chain(uint64_t word, uint32_t object_page)
{
    uint32_t page = object_page_info(word);
    return word == 0 || page == object_page ? OBJECT_PAGE_NONE : page;
}

static void take_apart(const char *bytes, size_t length, struct object_metadata *metadata)
{
    const uint16_t *numbers = (const uint16_t *)(const void *)bytes;
    size_t tags_bytes = sizeof(*numbers) * (1 + (size_t)numbers[0]);

    assert(tags_bytes <= length);
    *metadata = (struct object_metadata){
        .tags = numbers + 1,
        .tag_count = numbers[0],
        .text = slice_of(bytes + tags_bytes, length - tags_bytes),
    };
}

/* Pages may be anybody's by now: then what is copied does not count. */
static bool copy_chain(const struct object_store *store, uint32_t page, size_t length)
{
    size_t done = 0;

    while (done < length) {
        size_t piece = length - done < store->page_bytes ? length - done : store->page_bytes;
        if (page >= store->page_count)
            return false;
        memcpy(store->metadata_copy + done, object_page_at(store, page), piece);
        done += piece;
        page = object_page_next(store, page);
    }
    return true;
}

bool object_metadata_read(const struct object_store *store, uint32_t page,
                          struct object_metadata *metadata)
{
    const struct object_record *record = object_record(store, page);

    for (int i = 0; i < READS_MAX; i++) {
        uint64_t word = object_load(&record->metadata);
        size_t length = object_metadata_bytes(word);
        if (word == 0)
            return false;
        if (object_metadata_chain(word, page) == OBJECT_PAGE_NONE) {
            take_apart((const char *)record + record->metadata_at, length, metadata);
            return true;
        }
        bool is_copied = copy_chain(store, object_metadata_chain(word, page), length);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (is_copied && object_load(&record->metadata) == word) {
            take_apart(store->metadata_copy, length, metadata);
            return true;
        }
    }
    return false;
}

/* In one piece, in this process's own memory, where the caller's may be, too. */
static size_t put_together(const struct object_store *store, const struct object_head *head)
{
    uint16_t numbers[1 + OBJECT_TAGS_MAX] = {(uint16_t)head->tag_count};
    size_t at = sizeof(*numbers) * (1 + head->tag_count);

    assert(head->tag_count <= OBJECT_TAGS_MAX);
    assert(head->metadata.length <= OBJECT_METADATA_BYTES_MAX);
    for (size_t i = 0; i < head->tag_count; i++)
        numbers[1 + i] = (uint16_t)object_stamps_tag(store, head->tags[i]);
    if (head->metadata.length > 0)
        memmove(store->metadata_copy + at, head->metadata.start, head->metadata.length);
    memcpy(store->metadata_copy, numbers, at);
    return at + head->metadata.length;
}

/* OBJECT_PAGE_NONE when there is no room. */
static uint32_t write_chain(struct object_store *store, const struct object_hold *object,
                            size_t length, uint64_t now_ns)
{
    uint64_t state =
        object_page_word(OBJECT_PAGE_BODY, store->lane, object->generation, object->page);
    uint32_t first = OBJECT_PAGE_NONE, tail = OBJECT_PAGE_NONE;

    for (size_t done = 0; done < length; done += store->page_bytes) {
        size_t piece = length - done < store->page_bytes ? length - done : store->page_bytes;
        uint32_t page = object_eviction_take(store, state, now_ns);
        if (page == OBJECT_PAGE_NONE) {
            object_pages_free_chain(store, first, object->page, object->generation);
            return page;
        }
        memcpy(object_page_at(store, page), store->metadata_copy + done, piece);
        if (first == OBJECT_PAGE_NONE)
            first = page;
        else
            object_page_link(store, tail, page);
        tail = page;
    }
    return first;
}

uint64_t object_metadata_write(struct object_store *store, const struct object_hold *object,
                               const struct object_head *head, size_t inside_end, uint64_t now_ns)
{
    struct object_record *record = object_record(store, object->page);
    size_t length = put_together(store, head), at = object_record_text_end(record);
    uint64_t before = object_load(&record->metadata);

    if (at + length <= inside_end) {
        assert(before == 0);
        memcpy((char *)record + at, store->metadata_copy, length);
        record->metadata_at = (uint16_t)at;
        return word_of(object->page, length, before);
    }
    uint32_t page = write_chain(store, object, length, now_ns);
    return page != OBJECT_PAGE_NONE ? word_of(page, length, before) : 0;
}

uint32_t object_metadata_free(struct object_store *store, const struct object_hold *object,
                              uint64_t word)
{
    uint32_t page = object_metadata_chain(word, object->page);

    if (page == OBJECT_PAGE_NONE)
        return 0;
    return object_pages_free_chain(store, page, object->page, object->generation);
}
