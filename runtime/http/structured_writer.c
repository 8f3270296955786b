/*
 * structured_writer — appends to one buffer with a bound that is known beforehand.
 *
 * Two passes of the same functions: the first one only counts.
 */
#include "http/structured_writer.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "http/octet.h"

#define INTEGER_MAX 999999999999999

/* `to` NULL: only counts. `is_wrong`: something could not be written. */
struct output {
    char *to;
    size_t length;
    bool is_wrong;
};

static void put(struct output *out, struct slice text)
{
    if (out->to != NULL && text.length > 0)
        memcpy(out->to + out->length, text.start, text.length);
    out->length += text.length;
}

static void put_byte(struct output *out, char byte)
{
    put(out, slice_of(&byte, 1));
}

static void put_number(struct output *out, int64_t number)
{
    char digits[SLICE_DIGITS_MAX];

    if (number < 0)
        put(out, SLICE("-"));
    put(out, slice_of_uint64(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, digits));
}

static void put_integer(struct output *out, int64_t number)
{
    out->is_wrong |= number > INTEGER_MAX || number < -INTEGER_MAX;
    put_number(out, number);
}

/* Thousandths, without the zeros at their end, but with one digit. */
static void put_decimal(struct output *out, int64_t number)
{
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    unsigned fraction = (unsigned)(size % 1000);

    out->is_wrong |= size > INTEGER_MAX;
    if (number < 0)
        put_byte(out, '-');
    put_number(out, (int64_t)(size / 1000));
    put_byte(out, '.');
    put_byte(out, (char)('0' + fraction / 100));
    if (fraction % 100 > 0)
        put_byte(out, (char)('0' + fraction / 10 % 10));
    if (fraction % 10 > 0)
        put_byte(out, (char)('0' + fraction % 10));
}

static void put_string(struct output *out, struct slice text)
{
    put_byte(out, '"');
    for (size_t i = 0; i < text.length; i++) {
        char c = text.start[i];
        out->is_wrong |= c < ' ' || c > '~';
        if (c == '"' || c == '\\')
            put_byte(out, '\\');
        put_byte(out, c);
    }
    put_byte(out, '"');
}

static void put_token(struct output *out, struct slice text)
{
    bool is_token = text.length > 0 &&
                    (text.start[0] == '*' ||
                     (slice_lower(text.start[0]) >= 'a' && slice_lower(text.start[0]) <= 'z'));
    for (size_t i = 0; i < text.length; i++)
        is_token &=
            octet_is(text.start[i], OCTET_TOKEN) || text.start[i] == ':' || text.start[i] == '/';
    out->is_wrong |= !is_token;
    put(out, text);
}

static void put_bytes(struct output *out, struct slice bytes)
{
    put_byte(out, ':');
    if (out->to != NULL)
        out->length += base64_encode(bytes, BASE64_PLAIN, out->to + out->length);
    else
        out->length += BASE64_TEXT_MAX(bytes.length);
    put_byte(out, ':');
}

static void put_display(struct output *out, struct slice text)
{
    out->is_wrong |= !utf8_is_valid(text);
    put(out, SLICE("%\""));
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.start[i];
        if (c >= ' ' && c <= '~' && c != '%' && c != '"') {
            put_byte(out, (char)c);
            continue;
        }
        put_byte(out, '%');
        put_byte(out, "0123456789abcdef"[c >> 4]);
        put_byte(out, "0123456789abcdef"[c & 15]);
    }
    put_byte(out, '"');
}

static void put_value(struct output *out, struct structured_value value)
{
    switch (value.type) {
    case STRUCTURED_INTEGER:
        put_integer(out, value.number);
        return;
    case STRUCTURED_DECIMAL:
        put_decimal(out, value.number);
        return;
    case STRUCTURED_STRING:
        put_string(out, value.text);
        return;
    case STRUCTURED_TOKEN:
        put_token(out, value.text);
        return;
    case STRUCTURED_BYTES:
        put_bytes(out, value.text);
        return;
    case STRUCTURED_BOOLEAN:
        put(out, value.number != 0 ? SLICE("?1") : SLICE("?0"));
        return;
    case STRUCTURED_DATE:
        put_byte(out, '@');
        put_integer(out, value.number);
        return;
    case STRUCTURED_DISPLAY:
        put_display(out, value.text);
        return;
    }
}

static void put_key(struct output *out, struct slice key)
{
    bool is_key =
        key.length > 0 && ((key.start[0] >= 'a' && key.start[0] <= 'z') || key.start[0] == '*');
    for (size_t i = 0; i < key.length; i++) {
        char c = key.start[i];
        is_key &= (c >= 'a' && c <= 'z') || octet_is(c, OCTET_DIGIT) || c == '_' || c == '-' ||
                  c == '.' || c == '*';
    }
    out->is_wrong |= !is_key;
    put(out, key);
}

static bool is_truth(struct structured_value value)
{
    return value.type == STRUCTURED_BOOLEAN && value.number != 0;
}

static void put_parameters(struct output *out, const struct structured_parameters *parameters)
{
    for (uint32_t i = 0; i < parameters->count; i++) {
        const struct structured_parameter *parameter = &parameters->items[i];
        put_byte(out, ';');
        put_key(out, parameter->key);
        if (is_truth(parameter->value))
            continue;
        put_byte(out, '=');
        put_value(out, parameter->value);
    }
}

static void put_item(struct output *out, const struct structured_item *item)
{
    put_value(out, item->value);
    put_parameters(out, &item->parameters);
}

static void put_member(struct output *out, const struct structured_member *member)
{
    if (!member->is_inner_list) {
        put_item(out, &member->item);
        return;
    }
    put_byte(out, '(');
    for (uint32_t i = 0; i < member->item_count; i++) {
        if (i > 0)
            put_byte(out, ' ');
        put_item(out, &member->items[i]);
    }
    put_byte(out, ')');
    put_parameters(out, &member->item.parameters);
}

static void put_keyed_member(struct output *out, const struct structured_member *member)
{
    put_key(out, member->key);
    if (!member->is_inner_list && is_truth(member->item.value)) {
        put_parameters(out, &member->item.parameters);
        return;
    }
    put_byte(out, '=');
    put_member(out, member);
}

static void put_members(struct output *out, const struct structured_field *field, bool is_keyed)
{
    for (uint32_t i = 0; i < field->count; i++) {
        if (i > 0)
            put(out, SLICE(", "));
        (is_keyed ? put_keyed_member : put_member)(out, &field->members[i]);
    }
}

static struct slice finish(const struct output *out)
{
    return out->is_wrong ? SLICE_NONE : slice_of(out->to, out->length);
}

struct slice structured_writer_value(struct structured_value value, struct arena *arena)
{
    struct output count = {0}, out = {0};

    put_value(&count, value);
    out.to = arena_alloc(arena, count.length);
    put_value(&out, value);
    return finish(&out);
}

struct slice structured_writer_item(const struct structured_item *item, struct arena *arena)
{
    struct output count = {0}, out = {0};

    put_item(&count, item);
    out.to = arena_alloc(arena, count.length);
    put_item(&out, item);
    return finish(&out);
}

static struct slice write_members(const struct structured_field *field, bool is_keyed,
                                  struct arena *arena)
{
    struct output count = {0}, out = {0};

    put_members(&count, field, is_keyed);
    out.to = arena_alloc(arena, count.length);
    put_members(&out, field, is_keyed);
    return finish(&out);
}

struct slice structured_writer_list(const struct structured_field *field, struct arena *arena)
{
    return write_members(field, false, arena);
}

struct slice structured_writer_dictionary(const struct structured_field *field, struct arena *arena)
{
    return write_members(field, true, arena);
}
