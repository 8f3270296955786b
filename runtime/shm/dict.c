/*
 * dict — cells that say where in the pages the value of a key is.
 */
#include "shm/dict.h"

#include <assert.h>

#include "base/mem.h"
#include "shm/dict_cleaner.h"
#include "shm/dict_record.h"

#define DICT_LAYOUT 1
/* One cell for so many bytes: pages and cells run out together where keys and values are short. */
#define BYTES_PER_CELL 80
/* Pages are as large as leaves about so many of them, within bounds. */
#define PAGES_AIM      64
#define PAGE_BYTES_MIN 16384
#define PAGE_BYTES_MAX 131072
/* Appends that one value may try: each but the first after a cleaning. */
#define APPENDS_MAX 4

static size_t page_bytes_for(size_t bytes)
{
    size_t page_bytes = PAGE_BYTES_MIN;
    while (page_bytes < PAGE_BYTES_MAX && page_bytes * 2 * PAGES_AIM <= bytes)
        page_bytes *= 2;
    return page_bytes;
}

bool dict_init(struct dict *dict, struct segment *segment, const char *name, size_t bytes)
{
    assert(bytes >= DICT_BYTES_MIN && bytes <= PAGE_LOG_BYTES_MAX);
    size_t page_bytes = page_bytes_for(bytes);
    size_t cells = bytes / BYTES_PER_CELL;
    size_t fixed = sizeof(struct dict_shared) + cell_table_bytes(cells);
    size_t pages = (bytes - fixed) / (page_bytes + page_log_bytes(1, 0));
    char *memory = segment_allot(segment, name, DICT_LAYOUT, bytes);
    if (memory == NULL)
        return false;

    *dict = (struct dict){.shared = (struct dict_shared *)(void *)memory,
                          .hash_key = segment_hash_key(segment)};
    cell_table_init(&dict->cells, memory + sizeof(struct dict_shared), cells);
    page_log_init(&dict->log, memory + fixed, (uint32_t)pages, (uint32_t)page_bytes);
    dict->value_bytes_max =
        page_bytes / 2 < DICT_VALUE_BYTES_MAX ? page_bytes / 2 : DICT_VALUE_BYTES_MAX;
    dict->copy = mem_alloc(dict->value_bytes_max);
    return true;
}

void dict_clear(struct dict *dict)
{
    free(dict->copy);
    *dict = (struct dict){0};
}

void dict_attach(struct dict *dict, uint32_t lane)
{
    page_log_attach(&dict->log, lane);
}

static uint64_t tag_of(const struct dict *dict, struct slice key)
{
    return cell_tag(hash_slice(dict->hash_key, key));
}

/* A value that a cell led to, and what its room is. */
struct found {
    bool is_present; /* of this key, and its time is not over */
    struct dict_value value;
    size_t bytes;
};

/* False when the cell changed meanwhile: nothing that was read counts then. */
static bool read_value(const struct dict *dict, const struct cell_seen *seen, struct slice key,
                       uint64_t now_ns, struct found *found)
{
    struct dict_record header;
    if (!dict_record_peek(dict, seen->word, &header))
        return false;
    const char *text = page_log_at(&dict->log, seen->word) + offsetof(struct dict_record, text);
    bool is_same_key = slice_equals(slice_of(text, header.key_length), key);
    memcpy(dict->copy, text + header.key_length, header.string_length);
    if (!cell_holds(seen))
        return false;

    found->is_present = is_same_key && !dict_record_is_expired(&header, now_ns);
    found->bytes = dict_record_bytes(header.key_length, header.string_length);
    found->value = (struct dict_value){.kind = (enum dict_kind)header.kind,
                                       .string = slice_of(dict->copy, header.string_length),
                                       .integer = header.integer,
                                       .expires_ns = header.expires_ns};
    return true;
}

/* The cell and value of a key; false when it has no cell. */
static bool find(const struct dict *dict, struct slice key, uint64_t now_ns, struct cell_seen *seen,
                 struct found *found)
{
    uint64_t tag = tag_of(dict, key);
    for (int i = 0; i < CELL_ATTEMPTS_MAX && cell_table_find(&dict->cells, tag, seen); i++) {
        if (read_value(dict, seen, key, now_ns, found))
            return true;
    }
    return false;
}

enum dict_outcome dict_get(const struct dict *dict, struct slice key, uint64_t now_ns,
                           struct dict_value *value)
{
    struct cell_seen seen;
    struct found found;
    if (!find(dict, key, now_ns, &seen, &found) || !found.is_present)
        return DICT_MISSING;
    *value = found.value;
    return DICT_DONE;
}

/* A change under way: its own record, which nobody sees yet. */
struct change {
    struct slice key;
    uint64_t now_ns, tag;
    page_log_spot spot;
    size_t bytes;
    struct dict_record *record;
};

static bool append(struct dict *dict, struct change *change)
{
    for (int i = 0; i < APPENDS_MAX; i++) {
        if (page_log_append(&dict->log, change->bytes, false, &change->spot))
            return true;
        if (!dict_cleaner_make_room(dict, change->now_ns))
            break;
    }
    __atomic_fetch_add(&dict->shared->refused, 1, __ATOMIC_RELAXED);
    return false;
}

static enum dict_outcome write_record(struct dict *dict, struct change *change,
                                      const struct dict_value *value)
{
    size_t length = value->kind == DICT_STRING ? value->string.length : 0;
    if (change->key.length > DICT_KEY_BYTES_MAX || length > dict->value_bytes_max)
        return DICT_TOO_LARGE;
    change->bytes = dict_record_bytes(change->key.length, length);
    change->tag = tag_of(dict, change->key);
    if (!append(dict, change))
        return DICT_NO_ROOM;

    struct dict_record *record = (void *)page_log_at(&dict->log, change->spot);
    *record = (struct dict_record){.tag = change->tag,
                                   .expires_ns = value->expires_ns,
                                   .integer = value->integer,
                                   .string_length = (uint32_t)length,
                                   .key_length = (uint16_t)change->key.length,
                                   .kind = (uint16_t)value->kind};
    if (change->key.length > 0)
        memcpy(record->text, change->key.start, change->key.length);
    if (length > 0)
        memcpy(record->text + change->key.length, value->string.start, length);
    page_log_commit(&dict->log);
    change->record = record;
    return DICT_DONE;
}

/* Decides by what is there now, and may still change the record of its own. */
typedef enum dict_outcome change_rule(const struct found *found, const struct dict_value *value,
                                      struct dict_record *record);

/* One try to publish; *outcome is final when true. */
static bool try_publish(struct dict *dict, const struct change *change, change_rule *rule,
                        const struct dict_value *value, enum dict_outcome *outcome)
{
    struct cell_seen seen;
    struct found found = {0};
    *outcome = DICT_NO_ROOM;
    if (!cell_table_claim(&dict->cells, change->tag, NULL, NULL, &seen))
        return true;
    bool is_new = cell_is_candidate(&seen);
    if (!is_new && !read_value(dict, &seen, change->key, change->now_ns, &found))
        return false;
    *outcome = rule(&found, value, change->record);
    if (*outcome != DICT_DONE)
        return true;
    page_log_spot old = seen.word;
    if (!cell_swap(&seen, change->spot))
        return false;
    if (!is_new)
        page_log_release(&dict->log, old, found.bytes);
    return true;
}

static enum dict_outcome publish(struct dict *dict, const struct change *change, change_rule *rule,
                                 const struct dict_value *value)
{
    enum dict_outcome outcome = DICT_NO_ROOM;
    bool is_final = false;
    for (int i = 0; i < CELL_ATTEMPTS_MAX && !is_final; i++)
        is_final = try_publish(dict, change, rule, value, &outcome);
    if (is_final && outcome == DICT_DONE)
        return DICT_DONE;
    if (!is_final || outcome == DICT_NO_ROOM) {
        outcome = DICT_NO_ROOM;
        __atomic_fetch_add(&dict->shared->refused, 1, __ATOMIC_RELAXED);
    }
    page_log_take_back(&dict->log, change->spot, change->bytes);
    return outcome;
}

static enum dict_outcome always(const struct found *found, const struct dict_value *value,
                                struct dict_record *record)
{
    return DICT_DONE;
}

static enum dict_outcome where_absent(const struct found *found, const struct dict_value *value,
                                      struct dict_record *record)
{
    return found->is_present ? DICT_EXISTS : DICT_DONE;
}

static enum dict_outcome where_integer(const struct found *found, const struct dict_value *value,
                                       struct dict_record *record)
{
    int64_t before = found->is_present ? found->value.integer : 0;
    if (found->is_present && found->value.kind != DICT_INTEGER)
        return DICT_NOT_INTEGER;
    record->expires_ns = found->is_present ? found->value.expires_ns : value->expires_ns;
    return __builtin_add_overflow(before, value->integer, &record->integer) ? DICT_OUT_OF_RANGE
                                                                            : DICT_DONE;
}

enum dict_outcome dict_set(struct dict *dict, struct slice key, uint64_t now_ns,
                           const struct dict_value *value)
{
    struct change change = {.key = key, .now_ns = now_ns};
    enum dict_outcome outcome = write_record(dict, &change, value);
    return outcome == DICT_DONE ? publish(dict, &change, always, value) : outcome;
}

enum dict_outcome dict_add(struct dict *dict, struct slice key, uint64_t now_ns,
                           const struct dict_value *value)
{
    struct change change = {.key = key, .now_ns = now_ns};
    enum dict_outcome outcome = write_record(dict, &change, value);
    return outcome == DICT_DONE ? publish(dict, &change, where_absent, value) : outcome;
}

enum dict_outcome dict_increment(struct dict *dict, struct slice key, uint64_t now_ns,
                                 struct dict_value *value)
{
    struct change change = {.key = key, .now_ns = now_ns};
    struct dict_value amount = {
        .kind = DICT_INTEGER, .integer = value->integer, .expires_ns = value->expires_ns};
    enum dict_outcome outcome = write_record(dict, &change, &amount);
    if (outcome != DICT_DONE)
        return outcome;
    outcome = publish(dict, &change, where_integer, &amount);
    if (outcome == DICT_DONE)
        value->integer = change.record->integer;
    return outcome;
}

enum dict_outcome dict_delete(struct dict *dict, struct slice key, uint64_t now_ns)
{
    struct cell_seen seen;
    struct found found;
    for (int i = 0; i < CELL_ATTEMPTS_MAX && find(dict, key, now_ns, &seen, &found); i++) {
        if (!cell_free(&seen))
            continue;
        page_log_release(&dict->log, seen.word, found.bytes);
        return found.is_present ? DICT_DONE : DICT_MISSING;
    }
    return DICT_MISSING;
}

size_t dict_value_bytes_max(const struct dict *dict)
{
    return dict->value_bytes_max;
}

uint64_t dict_bytes_used(const struct dict *dict)
{
    return page_log_live(&dict->log);
}

uint64_t dict_refused(const struct dict *dict)
{
    return __atomic_load_n(&dict->shared->refused, __ATOMIC_RELAXED);
}
