/*
 * structured_field — lists, dictionaries and their parameters, read from left to right
 * (RFC 9651, 4.2).
 *
 * Arrays grow by doubling; what they outgrow stays in the arena.
 */
#include "http/structured_field.h"

#include "http/structured_reader.h"

#define CAPACITY_FIRST 4

/* Room for one more of `bytes` bytes each; NULL beyond `max`. */
static void *grow(struct arena *arena, void *items, uint32_t count, uint32_t max, size_t bytes)
{
    if (count == max)
        return NULL;
    if (count > 0 && (count < CAPACITY_FIRST || (count & (count - 1)) != 0))
        return items;
    uint32_t capacity = count < CAPACITY_FIRST ? CAPACITY_FIRST : count * 2;
    void *larger = arena_alloc(arena, capacity * bytes);
    if (count > 0)
        memcpy(larger, items, count * bytes);
    return larger;
}

static bool add_parameter(struct arena *arena, struct structured_parameters *parameters,
                          const struct structured_parameter *parameter)
{
    for (uint32_t i = 0; i < parameters->count; i++) {
        if (slice_equals(parameters->items[i].key, parameter->key)) {
            parameters->items[i] = *parameter;
            return true;
        }
    }
    parameters->items = grow(arena, parameters->items, parameters->count, STRUCTURED_PARAMETERS_MAX,
                             sizeof(*parameter));
    if (parameters->items == NULL)
        return false;
    parameters->items[parameters->count++] = *parameter;
    return true;
}

static struct structured_value truth(void)
{
    return (struct structured_value){.type = STRUCTURED_BOOLEAN, .number = 1};
}

static bool read_parameters(struct structured_reader *reader,
                            struct structured_parameters *parameters)
{
    *parameters = (struct structured_parameters){0};
    while (structured_reader_take(reader, ';')) {
        struct structured_parameter parameter = {.value = truth()};
        structured_reader_skip(reader, false);
        if (!structured_reader_key(reader, &parameter.key))
            return false;
        if (structured_reader_take(reader, '=') &&
            !structured_reader_value(reader, &parameter.value))
            return false;
        if (!add_parameter(reader->arena, parameters, &parameter))
            return false;
    }
    return true;
}

static bool read_item(struct structured_reader *reader, struct structured_item *item)
{
    return structured_reader_value(reader, &item->value) &&
           read_parameters(reader, &item->parameters);
}

static bool read_inner_items(struct structured_reader *reader, struct structured_member *member)
{
    for (;;) {
        structured_reader_skip(reader, false);
        if (structured_reader_take(reader, ')'))
            return true;
        member->items = grow(reader->arena, member->items, member->item_count,
                             STRUCTURED_MEMBERS_MAX, sizeof(*member->items));
        if (member->items == NULL || !read_item(reader, &member->items[member->item_count++]))
            return false;
        if (!structured_reader_sees(reader, ' ') && !structured_reader_sees(reader, ')'))
            return false;
    }
}

static bool read_member(struct structured_reader *reader, struct structured_member *member)
{
    if (!structured_reader_take(reader, '('))
        return read_item(reader, &member->item);
    member->is_inner_list = true;
    return read_inner_items(reader, member) && read_parameters(reader, &member->item.parameters);
}

static bool read_keyed_member(struct structured_reader *reader, struct structured_member *member)
{
    if (!structured_reader_key(reader, &member->key))
        return false;
    if (structured_reader_take(reader, '='))
        return read_member(reader, member);
    member->item.value = truth();
    return read_parameters(reader, &member->item.parameters);
}

static struct structured_member *find(const struct structured_field *field, struct slice key)
{
    for (uint32_t i = 0; i < field->count; i++) {
        if (slice_equals(field->members[i].key, key))
            return &field->members[i];
    }
    return NULL;
}

static bool add_member(struct arena *arena, struct structured_field *field,
                       const struct structured_member *member)
{
    struct structured_member *same = member->key.start != NULL ? find(field, member->key) : NULL;

    if (same != NULL) {
        *same = *member;
        return true;
    }
    field->members =
        grow(arena, field->members, field->count, STRUCTURED_MEMBERS_MAX, sizeof(*member));
    if (field->members == NULL)
        return false;
    field->members[field->count++] = *member;
    return true;
}

/* A comma and what may stand around it; false where the field ends with it. */
static bool read_comma(struct structured_reader *reader)
{
    if (!structured_reader_take(reader, ','))
        return false;
    structured_reader_skip(reader, true);
    return reader->at < reader->end;
}

static bool parse_members(struct slice text, struct arena *arena, bool is_keyed,
                          struct structured_field *field)
{
    struct structured_reader reader = {text.start, text.start + text.length, arena};

    *field = (struct structured_field){0};
    structured_reader_skip(&reader, false);
    while (reader.at < reader.end) {
        struct structured_member member = {0};
        if (!(is_keyed ? read_keyed_member : read_member)(&reader, &member) ||
            !add_member(arena, field, &member))
            return false;
        structured_reader_skip(&reader, true);
        if (reader.at == reader.end)
            break;
        if (!read_comma(&reader))
            return false;
    }
    /* At the end of the whole only spaces are allowed. */
    return text.length == 0 || text.start[text.length - 1] != '\t';
}

bool structured_field_parse_list(struct slice text, struct arena *arena,
                                 struct structured_field *field)
{
    return parse_members(text, arena, false, field);
}

bool structured_field_parse_dictionary(struct slice text, struct arena *arena,
                                       struct structured_field *field)
{
    return parse_members(text, arena, true, field);
}

bool structured_field_parse_item(struct slice text, struct arena *arena,
                                 struct structured_item *item)
{
    struct structured_reader reader = {text.start, text.start + text.length, arena};

    structured_reader_skip(&reader, false);
    if (!read_item(&reader, item))
        return false;
    structured_reader_skip(&reader, false);
    return reader.at == reader.end;
}

const struct structured_member *structured_field_find(const struct structured_field *field,
                                                      struct slice key)
{
    return find(field, key);
}
