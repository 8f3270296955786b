/*
 * accept_list — elements taken apart at ";", kept sorted while they are read.
 */
#include "cache/accept_list.h"

#include "http/octet.h"

#define WEIGHT_FULL 1000

/* qvalue: "0", "1", and at most three digits behind the point (RFC 9110, 12.4.2). */
static bool read_weight(struct slice text, int *weight)
{
    int scale = 100;

    if (text.length == 0 || text.length > 5 || (text.start[0] != '0' && text.start[0] != '1') ||
        (text.length > 1 && text.start[1] != '.'))
        return false;
    *weight = (text.start[0] - '0') * WEIGHT_FULL;
    for (size_t i = 2; i < text.length; i++, scale /= 10) {
        if (!octet_is(text.start[i], OCTET_DIGIT))
            return false;
        *weight += (text.start[i] - '0') * scale;
    }
    return *weight <= WEIGHT_FULL;
}

/* Takes the next parameter off `*rest`, which begins with ';' or is empty. */
static bool next_parameter(struct slice *rest, struct slice *name, struct slice *value)
{
    if (rest->length == 0)
        return false;
    struct slice text = slice_after(*rest, 1);
    size_t end = slice_find(text, ';');
    *rest = slice_after(text, end);
    text = slice_of(text.start, end);
    size_t equals = slice_find(text, '=');
    *name = slice_trimmed(slice_of(text.start, equals));
    *value = slice_trimmed(slice_after(text, equals < text.length ? equals + 1 : equals));
    return true;
}

static char *put_lower(char *at, struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        *at++ = slice_lower(text.start[i]);
    return at;
}

static char *put(char *at, struct slice text)
{
    if (text.length > 0)
        memcpy(at, text.start, text.length);
    return at + text.length;
}

static bool read_element(struct slice text, struct arena *arena, struct accept_element *element)
{
    size_t end = slice_find(text, ';');
    struct slice rest = slice_after(text, end), name, value;
    char *start = arena_alloc(arena, text.length);
    char *at = put_lower(start, slice_trimmed(slice_of(text.start, end)));

    element->weight = WEIGHT_FULL;
    while (next_parameter(&rest, &name, &value)) {
        if (slice_equals_ignoring_case(name, SLICE("q"))) {
            if (!read_weight(value, &element->weight))
                return false;
            continue;
        }
        *at++ = ';';
        at = put_lower(at, name);
        if (value.length > 0)
            *at++ = '=';
        at = put(at, value);
    }
    element->text = slice_of(start, (size_t)(at - start));
    return element->text.length > 0 && start[0] != ';';
}

static bool is_before(const struct accept_element *one, const struct accept_element *other)
{
    size_t shorter = one->text.length < other->text.length ? one->text.length : other->text.length;

    if (one->weight != other->weight)
        return one->weight > other->weight;
    int order = shorter > 0 ? memcmp(one->text.start, other->text.start, shorter) : 0;
    return order != 0 ? order < 0 : one->text.length < other->text.length;
}

static void insert(struct accept_list *list, const struct accept_element *element)
{
    unsigned at = list->count++;
    for (; at > 0 && is_before(element, &list->items[at - 1]); at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = *element;
}

bool accept_list_read(struct slice value, struct arena *arena, struct accept_list *list)
{
    struct accept_element element;
    struct slice text;

    list->count = 0;
    if (slice_find(value, '"') < value.length)
        return false;
    while (slice_next_element(&value, &text)) {
        if (list->count == ACCEPT_LIST_MAX || !read_element(text, arena, &element))
            return false;
        insert(list, &element);
    }
    return true;
}

/* Room for ",", ";q=0.123". */
#define BESIDE_TEXT_MAX 9

struct slice accept_list_text(const struct accept_list *list, struct arena *arena)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < list->count; i++)
        bytes += list->items[i].text.length + BESIDE_TEXT_MAX;
    char *start = arena_alloc(arena, bytes), *at = start;
    for (unsigned i = 0; i < list->count; i++) {
        const struct accept_element *element = &list->items[i];
        if (i > 0)
            *at++ = ',';
        at = put(at, element->text);
        if (element->weight == WEIGHT_FULL)
            continue;
        at = put(at, SLICE(";q=0."));
        *at++ = (char)('0' + element->weight / 100);
        *at++ = (char)('0' + element->weight / 10 % 10);
        *at++ = (char)('0' + element->weight % 10);
    }
    return slice_of(start, (size_t)(at - start));
}

struct slice accept_list_first(const struct accept_list *list)
{
    if (list->count == 0 || list->items[0].weight == 0 ||
        (list->count > 1 && list->items[1].weight == list->items[0].weight) ||
        slice_equals(list->items[0].text, SLICE("*")))
        return SLICE_NONE;
    return list->items[0].text;
}
