/*
 * json_writer — quoting, and commas.
 */
#include "base/json_writer.h"

#include <math.h>
#include <stdio.h>

#include "base/utf8.h"

#define NUMBER_BYTES 32

void json_writer_init(struct json_writer *writer, struct buffer *into)
{
    *writer = (struct json_writer){.into = into};
}

bool json_writer_is_whole(const struct json_writer *writer)
{
    return !writer->is_cut;
}

static void put(struct json_writer *writer, struct slice text)
{
    if (!buffer_append(writer->into, text))
        writer->is_cut = true;
}

/* A character that stands for itself, or not: takes it off `*rest`. */
static void put_character(struct json_writer *writer, struct slice *rest)
{
    char escaped[8];
    size_t length = utf8_length(*rest);
    unsigned char first = (unsigned char)rest->start[0];
    struct slice character = slice_of(rest->start, length > 0 ? length : 1);

    *rest = slice_after(*rest, character.length);
    if (length == 0) {
        put(writer, SLICE("\\ufffd"));
    } else if (first == '"' || first == '\\' || first < 0x20 || first == 0x7f) {
        int written = snprintf(escaped, sizeof(escaped), "\\u%04x", first);
        put(writer, slice_of(escaped, (size_t)written));
    } else {
        put(writer, character);
    }
}

static void put_quoted(struct json_writer *writer, struct slice text)
{
    put(writer, SLICE("\""));
    while (text.length > 0)
        put_character(writer, &text);
    put(writer, SLICE("\""));
}

static void begin_value(struct json_writer *writer, const char *key)
{
    if (writer->needs_comma)
        put(writer, SLICE(","));
    writer->needs_comma = true;
    if (key == NULL)
        return;
    put_quoted(writer, slice_from_string(key));
    put(writer, SLICE(":"));
}

static void open_bracket(struct json_writer *writer, const char *key, struct slice bracket)
{
    begin_value(writer, key);
    put(writer, bracket);
    writer->needs_comma = false;
}

static void close_bracket(struct json_writer *writer, struct slice bracket)
{
    put(writer, bracket);
    writer->needs_comma = true;
}

void json_writer_open_object(struct json_writer *writer, const char *key)
{
    open_bracket(writer, key, SLICE("{"));
}

void json_writer_close_object(struct json_writer *writer)
{
    close_bracket(writer, SLICE("}"));
}

void json_writer_open_array(struct json_writer *writer, const char *key)
{
    open_bracket(writer, key, SLICE("["));
}

void json_writer_close_array(struct json_writer *writer)
{
    close_bracket(writer, SLICE("]"));
}

void json_writer_put_text(struct json_writer *writer, const char *key, struct slice text)
{
    begin_value(writer, key);
    put_quoted(writer, text);
}

void json_writer_put_string(struct json_writer *writer, const char *key, const char *string)
{
    json_writer_put_text(writer, key, slice_from_string(string));
}

void json_writer_put_number(struct json_writer *writer, const char *key, double number)
{
    char text[NUMBER_BYTES];
    int length = snprintf(text, sizeof(text), number == floor(number) ? "%.0f" : "%.3f", number);

    begin_value(writer, key);
    put(writer, slice_of(text, (size_t)length));
}

void json_writer_put_flag(struct json_writer *writer, const char *key, bool flag)
{
    begin_value(writer, key);
    put(writer, flag ? SLICE("true") : SLICE("false"));
}

void json_writer_put_lines(struct json_writer *writer, const char *key, struct slice text,
                           size_t count_max)
{
    json_writer_open_array(writer, key);
    for (size_t i = 0; i < count_max && text.length > 0; i++) {
        size_t line = slice_find(text, '\n');
        json_writer_put_text(writer, NULL, slice_of(text.start, line));
        text = slice_after(text, line < text.length ? line + 1 : line);
    }
    json_writer_close_array(writer);
}

void json_writer_put_raw(struct json_writer *writer, const char *key, struct slice json)
{
    begin_value(writer, key);
    put(writer, json);
}
