/*
 * structured_field — fuzzes structured fields: what is read can be written, and is read the same.
 */
#include "http/structured_field.h"

#include <assert.h>

#include "exact_text.h"
#include "http/structured_writer.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool is_same_value(struct structured_value one, struct structured_value other)
{
    return one.type == other.type && one.number == other.number &&
           slice_equals(one.text, other.text);
}

static void check_item(struct slice text, struct arena *arena)
{
    struct structured_item item, again;

    if (!structured_field_parse_item(text, arena, &item))
        return;
    struct slice written = structured_writer_item(&item, arena);
    assert(written.start != NULL);
    assert(structured_field_parse_item(written, arena, &again));
    assert(is_same_value(item.value, again.value));
    assert(item.parameters.count == again.parameters.count);
    assert(slice_equals(structured_writer_item(&again, arena), written));
}

static void check_list(struct slice text, struct arena *arena)
{
    struct structured_field field, again;

    if (!structured_field_parse_list(text, arena, &field))
        return;
    struct slice written = structured_writer_list(&field, arena);
    assert(written.start != NULL);
    assert(structured_field_parse_list(written, arena, &again));
    assert(field.count == again.count);
    assert(slice_equals(structured_writer_list(&again, arena), written));
}

static void check_dictionary(struct slice text, struct arena *arena)
{
    struct structured_field field, again;

    if (!structured_field_parse_dictionary(text, arena, &field))
        return;
    struct slice written = structured_writer_dictionary(&field, arena);
    assert(written.start != NULL);
    assert(structured_field_parse_dictionary(written, arena, &again));
    assert(field.count == again.count);
    for (uint32_t i = 0; i < field.count; i++)
        assert(structured_field_find(&field, field.members[i].key) == &field.members[i]);
    assert(slice_equals(structured_writer_dictionary(&again, arena), written));
}

static void check_all(struct slice text, struct arena *arena)
{
    check_item(text, arena);
    check_list(text, arena);
    check_dictionary(text, arena);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    return exact_text_check(data, size, check_all);
}
