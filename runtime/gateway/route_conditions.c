/*
 * route_conditions — storing, comparing and checking conditions.
 */
#include "gateway/route_conditions.h"

#include <assert.h>

#include "base/mem.h"
#include "http/uri.h"

enum kind { KIND_HEADER, KIND_QUERY, KIND_SERVER_NAME };

struct condition {
    enum kind kind;
    bool any_value;
    uint32_t name, name_length, value, value_length; /* in `text` */
};

struct route_conditions {
    struct condition *items;
    size_t count, capacity;
    char *text;
    size_t text_bytes, text_capacity;
};

struct route_conditions *route_conditions_create(void)
{
    return mem_zeroed(sizeof(struct route_conditions));
}

void route_conditions_destroy(struct route_conditions **conditions)
{
    if (*conditions == NULL)
        return;
    free((*conditions)->items);
    free((*conditions)->text);
    free(*conditions);
    *conditions = NULL;
}

static uint32_t add_text(struct route_conditions *conditions, struct slice text)
{
    size_t at = conditions->text_bytes;
    assert(at < UINT32_MAX && text.length < UINT32_MAX - at);
    assert(text.start != NULL || text.length == 0);
    if (conditions->text_capacity - at < text.length) {
        conditions->text_capacity = (conditions->text_capacity + text.length) * 2;
        conditions->text = mem_resize(conditions->text, conditions->text_capacity);
    }
    if (text.length > 0)
        memcpy(conditions->text + at, text.start, text.length);
    conditions->text_bytes += text.length;
    return (uint32_t)at;
}

static struct slice name_of(const struct route_conditions *conditions, const struct condition *item)
{
    return slice_of(conditions->text + item->name, item->name_length);
}

static struct slice value_of(const struct route_conditions *conditions,
                             const struct condition *item)
{
    return slice_of(conditions->text + item->value, item->value_length);
}

static int compare_slices(struct slice one, struct slice other)
{
    size_t shorter = one.length < other.length ? one.length : other.length;
    int order = shorter > 0 ? memcmp(one.start, other.start, shorter) : 0;
    if (order != 0 || one.length == other.length)
        return order;
    return one.length < other.length ? -1 : 1;
}

static int compare_names(const struct route_conditions *conditions, const struct condition *one,
                         const struct condition *other)
{
    struct slice first = name_of(conditions, one), second = name_of(conditions, other);
    if (one->kind != other->kind)
        return one->kind < other->kind ? -1 : 1;
    if (one->kind == KIND_HEADER && slice_equals_ignoring_case(first, second))
        return 0;
    return compare_slices(first, second);
}

static int compare_items(const struct route_conditions *conditions, const struct condition *one,
                         const struct condition *other)
{
    int order = compare_names(conditions, one, other);
    if (order != 0)
        return order;
    if (one->any_value != other->any_value)
        return one->any_value ? 1 : -1; /* a value asks for more than presence */
    return compare_slices(value_of(conditions, one), value_of(conditions, other));
}

/* At its sorted place in the run that begins at `first`. */
static void add_item(struct route_conditions *conditions, size_t first, enum kind kind,
                     const struct route_condition *from)
{
    if (conditions->count == conditions->capacity) {
        conditions->capacity = conditions->capacity * 2 + 8;
        conditions->items =
            mem_resize(conditions->items, conditions->capacity * sizeof(*conditions->items));
    }
    struct condition item = {
        .kind = kind,
        .any_value = from->value.start == NULL,
        .name = add_text(conditions, from->name),
        .name_length = (uint32_t)from->name.length,
        .value = add_text(conditions, from->value),
        .value_length = (uint32_t)from->value.length,
    };
    size_t at = conditions->count++;
    while (at > first && compare_items(conditions, &item, &conditions->items[at - 1]) < 0) {
        conditions->items[at] = conditions->items[at - 1];
        at--;
    }
    conditions->items[at] = item;
}

struct route_condition_run route_conditions_add(struct route_conditions *conditions,
                                                const struct route_pattern *pattern)
{
    size_t first = conditions->count;
    assert(pattern->header_count < ROUTE_MATCHER_CONDITIONS_MAX);
    assert(pattern->query_count < ROUTE_MATCHER_CONDITIONS_MAX - pattern->header_count);

    for (size_t i = 0; i < pattern->header_count; i++)
        add_item(conditions, first, KIND_HEADER, &pattern->headers[i]);
    for (size_t i = 0; i < pattern->query_count; i++)
        add_item(conditions, first, KIND_QUERY, &pattern->queries[i]);
    if (pattern->server_name.length > 0)
        add_item(conditions, first, KIND_SERVER_NAME,
                 &(struct route_condition){SLICE(""), pattern->server_name});
    return (struct route_condition_run){(uint32_t)first, (uint16_t)(conditions->count - first)};
}

void route_conditions_undo(struct route_conditions *conditions, struct route_condition_run run)
{
    assert(run.first + run.count == conditions->count);
    conditions->count = run.first;
}

void route_conditions_seal(struct route_conditions *conditions)
{
    if (conditions->count > 0)
        conditions->items =
            mem_resize(conditions->items, conditions->count * sizeof(*conditions->items));
    if (conditions->text_bytes > 0)
        conditions->text = mem_resize(conditions->text, conditions->text_bytes);
    conditions->capacity = conditions->count;
    conditions->text_capacity = conditions->text_bytes;
}

int route_conditions_compare(const struct route_conditions *conditions,
                             struct route_condition_run one, struct route_condition_run other)
{
    for (uint32_t i = 0; i < one.count && i < other.count; i++) {
        int order = compare_items(conditions, &conditions->items[one.first + i],
                                  &conditions->items[other.first + i]);
        if (order != 0)
            return order;
    }
    return one.count - other.count;
}

static bool header_holds(const struct route_conditions *conditions, const struct condition *item,
                         const struct request *request)
{
    const struct header *header = headers_find(&request->headers, name_of(conditions, item));
    return header != NULL &&
           (item->any_value || slice_equals(header->value, value_of(conditions, item)));
}

static bool query_holds(const struct route_conditions *conditions, const struct condition *item,
                        const struct route_subject *subject)
{
    assert(subject->arena != NULL);
    if (subject->request->query.start == NULL)
        return false;
    struct slice raw =
        uri_query_value(subject->request->query, name_of(conditions, item), subject->arena);
    struct slice value;
    if (raw.start == NULL)
        return false;
    return item->any_value || (uri_decode(raw, true, subject->arena, &value) &&
                               slice_equals(value, value_of(conditions, item)));
}

bool route_conditions_host_matches(struct slice pattern, struct slice name)
{
    if (!slice_starts_with(pattern, SLICE("*.")))
        return slice_equals_ignoring_case(pattern, name);
    struct slice below = slice_after(pattern, 1);
    return name.length > below.length &&
           slice_equals_ignoring_case(slice_after(name, name.length - below.length), below);
}

enum route_miss route_conditions_check(const struct route_conditions *conditions,
                                       struct route_condition_run run,
                                       const struct route_subject *subject)
{
    for (uint32_t i = 0; i < run.count; i++) {
        const struct condition *item = &conditions->items[run.first + i];
        switch (item->kind) {
        case KIND_HEADER:
            if (!header_holds(conditions, item, subject->request))
                return ROUTE_MISS_HEADER;
            break;
        case KIND_QUERY:
            if (!query_holds(conditions, item, subject))
                return ROUTE_MISS_QUERY;
            break;
        case KIND_SERVER_NAME:
            if (!route_conditions_host_matches(value_of(conditions, item), subject->server_name))
                return ROUTE_MISS_SERVER_NAME;
            break;
        }
    }
    return ROUTE_MISS_NONE;
}

size_t route_conditions_bytes(const struct route_conditions *conditions)
{
    return sizeof(*conditions) + conditions->capacity * sizeof(*conditions->items) +
           conditions->text_capacity;
}
