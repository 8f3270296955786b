/*
 * stored_head — written by one copy for each field, read by a look at each row of its table.
 */
#include "cache/stored_head.h"

#include <assert.h>
#include <math.h>

#include "cache/stored_fields.h"
#include "http/http_date.h"

#define MAGIC  0x64616568u /* "head" */
#define FORMAT 1u

/* Room for what is added to the answers that are made of it. */
#define FIELDS_ADDED_MAX 16

/* Where something lies behind the layout; length 0 and at 0: nothing. */
struct place {
    uint32_t at, length;
};

struct layout {
    uint32_t magic, build;
    uint32_t bytes; /* of all */
    uint16_t status, field_count;
    struct freshness freshness;
    int64_t date, last_modified;
    struct place reason, vary, table, lines;
    struct place etag; /* in the lines */
};

/* A field: its line begins where the one before ends. */
struct row {
    uint32_t value_bytes;
    uint16_t name_bytes;
    uint8_t id, reserved;
};

_Static_assert(HEADER_ID_COUNT <= UINT8_MAX, "a row has a byte for the number of a name");

/* Of the numbers that names have in this build: the compiler makes one constant of it. */
#define NAME_NUMBER(id, name, flags) \
    number = number * 31 + (uint32_t)(HEADER_##id * 7 + (name)[0] + (name)[sizeof(name) / 2]);

static uint32_t build_number(void)
{
    uint32_t number = FORMAT + (uint32_t)sizeof(struct layout);
    HEADER_NAMES(NAME_NUMBER)
    return number;
}

/* ---- writing ---- */

struct chosen {
    const struct header *items[HEADERS_MAX + 1];
    uint32_t count;
    size_t line_bytes;
};

static void choose_one(struct chosen *chosen, const struct header *header)
{
    chosen->items[chosen->count++] = header;
    chosen->line_bytes += headers_line_bytes(header);
}

static void choose(struct chosen *chosen, const struct stored_fields *fields,
                   const struct headers *headers)
{
    uint32_t at = 0;
    for (const struct header *header; (header = headers_next(headers, &at)) != NULL;) {
        if (header->name.length <= UINT16_MAX && stored_fields_has(fields, header))
            choose_one(chosen, header);
    }
}

static char *put(char *at, struct slice slice)
{
    if (slice.length > 0)
        memcpy(at, slice.start, slice.length);
    return at + slice.length;
}

static char *put_line(char *at, const struct header *header)
{
    at = put(at, header->name);
    at = put(at, SLICE(": "));
    at = put(at, header->value);
    return put(at, SLICE("\r\n"));
}

static void put_table(char *at, const struct chosen *chosen)
{
    for (uint32_t i = 0; i < chosen->count; i++, at += sizeof(struct row)) {
        const struct header *header = chosen->items[i];
        struct row row = {.value_bytes = (uint32_t)header->value.length,
                          .name_bytes = (uint16_t)header->name.length,
                          .id = (uint8_t)header->id};
        memcpy(at, &row, sizeof(row));
    }
}

/* Leaves the ETag's place in the layout. */
static void put_lines(char *lines, const struct chosen *chosen, struct layout *layout)
{
    char *at = lines;
    for (uint32_t i = 0; i < chosen->count; i++) {
        const struct header *header = chosen->items[i];
        if (header->id == HEADER_ETAG && layout->etag.length == 0)
            layout->etag = (struct place){(uint32_t)(at - lines + (long)header->name.length + 2),
                                          (uint32_t)header->value.length};
        at = put_line(at, header);
    }
}

static int64_t last_modified_of(const struct headers *headers, double received)
{
    const struct header *header = headers_find_known(headers, HEADER_LAST_MODIFIED);
    int64_t seconds;

    if (header == NULL || !http_date_parse(header->value, (int64_t)received, &seconds))
        return INT64_MIN;
    return seconds;
}

/* A message that is stored has a Date, of when it came (RFC 9110, 6.6.1). */
static void choose_date(struct chosen *chosen, const struct headers *headers, int64_t date,
                        struct arena *arena)
{
    if (headers_find_known(headers, HEADER_DATE) != NULL)
        return;
    struct header *header = arena_zeroed(arena, sizeof(*header));
    header->id = HEADER_DATE;
    header->name = header_name_of(HEADER_DATE);
    header->value = http_date_text(date, arena);
    choose_one(chosen, header);
}

static struct slice lay_out(struct layout *layout, const struct chosen *chosen,
                            const struct response *response, const struct storable *storable,
                            struct arena *arena)
{
    size_t reason = sizeof(*layout), vary = reason + response->reason.length;
    size_t table = vary + storable->vary.length;
    size_t lines = table + chosen->count * sizeof(struct row), end = lines + chosen->line_bytes;

    if (end > STORED_HEAD_BYTES_MAX || chosen->count > HEADERS_MAX - FIELDS_ADDED_MAX)
        return SLICE_NONE;
    char *bytes = arena_alloc(arena, end);
    layout->bytes = (uint32_t)end;
    layout->reason = (struct place){(uint32_t)reason, (uint32_t)response->reason.length};
    layout->vary = (struct place){(uint32_t)vary, (uint32_t)storable->vary.length};
    layout->table = (struct place){(uint32_t)table, (uint32_t)(lines - table)};
    layout->lines = (struct place){(uint32_t)lines, (uint32_t)chosen->line_bytes};
    put(bytes + reason, response->reason);
    put(bytes + vary, storable->vary);
    put_table(bytes + table, chosen);
    put_lines(bytes + lines, chosen, layout);
    memcpy(bytes, layout, sizeof(*layout));
    return slice_of(bytes, end);
}

struct slice stored_head_write(const struct cache_request *asked, const struct response *response,
                               const struct storable *storable, struct arena *arena)
{
    double received = storable->freshness.received;
    struct chosen *chosen = arena_alloc(arena, sizeof(*chosen));
    struct stored_fields fields;
    struct layout layout = {
        .magic = MAGIC,
        .build = build_number(),
        .status = (uint16_t)response->status,
        .freshness = storable->freshness,
        .date = freshness_date(&response->headers, received),
        .last_modified = last_modified_of(&response->headers, received),
    };

    chosen->count = 0;
    chosen->line_bytes = 0;
    stored_fields_read(&fields, asked->policy, &storable->control, &response->headers, arena);
    choose(chosen, &fields, &response->headers);
    choose_date(chosen, &response->headers, layout.date, arena);
    layout.field_count = (uint16_t)chosen->count;
    return lay_out(&layout, chosen, response, storable, arena);
}

/* ---- reading ---- */

static bool place_of(struct slice bytes, struct place place, struct slice *slice)
{
    if (place.at > bytes.length || place.length > bytes.length - place.at)
        return false;
    *slice = slice_of(bytes.start + place.at, place.length);
    return true;
}

static struct row row_of(const void *table, uint32_t index)
{
    struct row row;
    memcpy(&row, (const char *)table + index * sizeof(row), sizeof(row));
    return row;
}

/* Each line where its row says, and nothing else. */
static bool has_lines(const struct stored_head *head)
{
    const char *at = head->lines.start, *end = at + head->lines.length;

    for (uint32_t i = 0; i < head->field_count; i++) {
        struct row row = row_of(head->table, i);
        size_t left = (size_t)(end - at), name = row.name_bytes;
        if (row.id >= HEADER_ID_COUNT || name == 0 || row.value_bytes > left ||
            name + 4 > left - row.value_bytes)
            return false;
        if (at[name] != ':' || at[name + 1] != ' ' || at[name + row.value_bytes + 2] != '\r' ||
            at[name + row.value_bytes + 3] != '\n')
            return false;
        at += name + row.value_bytes + 4;
    }
    return at == end;
}

static bool is_sane(const struct freshness *freshness)
{
    return isfinite(freshness->received) && freshness->initial_age >= 0 &&
           freshness->lifetime >= 0 && freshness->stale_while_revalidate >= 0 &&
           freshness->stale_if_error >= 0 && freshness->keep >= 0 &&
           isfinite(freshness->initial_age) && isfinite(freshness->lifetime);
}

bool stored_head_read(struct slice bytes, struct stored_head *head)
{
    struct layout layout;
    struct slice table;

    if (bytes.length < sizeof(layout))
        return false;
    memcpy(&layout, bytes.start, sizeof(layout));
    if (layout.magic != MAGIC || layout.build != build_number() || layout.bytes != bytes.length ||
        layout.status < 200 || layout.status > 999 || !is_sane(&layout.freshness))
        return false;
    *head = (struct stored_head){.status = layout.status,
                                 .freshness = layout.freshness,
                                 .date = layout.date,
                                 .last_modified = layout.last_modified,
                                 .etag = SLICE_NONE,
                                 .field_count = layout.field_count};
    if (!place_of(bytes, layout.reason, &head->reason) ||
        !place_of(bytes, layout.vary, &head->vary) || !place_of(bytes, layout.table, &table) ||
        !place_of(bytes, layout.lines, &head->lines))
        return false;
    if (layout.field_count > HEADERS_MAX - FIELDS_ADDED_MAX ||
        table.length != layout.field_count * sizeof(struct row))
        return false;
    head->table = table.start;
    if (layout.etag.length > 0 && !place_of(head->lines, layout.etag, &head->etag))
        return false;
    return has_lines(head);
}

void stored_head_fields(const struct stored_head *head, uint64_t without, uint32_t more,
                        struct headers *headers, struct arena *arena)
{
    const char *at = head->lines.start;

    assert(more <= FIELDS_ADDED_MAX);
    *headers = (struct headers){.capacity = head->field_count + more};
    headers->items = arena_alloc(arena, headers->capacity * sizeof(*headers->items));
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct row row = row_of(head->table, i);
        struct header *header = &headers->items[headers->count];
        size_t bytes = (size_t)row.name_bytes + row.value_bytes + 4;
        header->name = slice_of(at, row.name_bytes);
        header->value = slice_of(at + row.name_bytes + 2, row.value_bytes);
        header->id = row.id;
        header->is_line = true;
        at += bytes;
        if ((without & HEADERS_BIT(row.id)) != 0)
            continue;
        headers->count++;
        headers->ids |= HEADERS_BIT(row.id);
        headers->bytes += bytes;
    }
}
