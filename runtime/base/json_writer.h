/*
 * json_writer — JSON put together piece by piece in a buffer.
 *
 * Keeps the commas; whoever calls keeps what begins and ends in pairs. Bytes that are not UTF-8
 * become U+FFFD. What exceeds the buffer's maximum is left out, and json_writer_is_whole() tells.
 */
#pragma once

#include "base/buffer.h"

struct json_writer {
    struct buffer *into; /* borrowed */
    bool needs_comma, is_cut;
};

void json_writer_init(struct json_writer *writer, struct buffer *into);
bool json_writer_is_whole(const struct json_writer *writer);

/* `key`: of the member in an object; NULL for an array's elements and the outermost value. */
void json_writer_open_object(struct json_writer *writer, const char *key);
void json_writer_close_object(struct json_writer *writer);
void json_writer_open_array(struct json_writer *writer, const char *key);
void json_writer_close_array(struct json_writer *writer);
void json_writer_put_text(struct json_writer *writer, const char *key, struct slice text);
void json_writer_put_string(struct json_writer *writer, const char *key, const char *string);
/* Whole numbers to 2^53 exactly, others to a millisecond's worth of digits. */
void json_writer_put_number(struct json_writer *writer, const char *key, double number);
void json_writer_put_flag(struct json_writer *writer, const char *key, bool flag);
/* An array of the text's lines, `count_max` at most. */
void json_writer_put_lines(struct json_writer *writer, const char *key, struct slice text,
                           size_t count_max);
/* A value that is JSON already. */
void json_writer_put_raw(struct json_writer *writer, const char *key, struct slice json);
