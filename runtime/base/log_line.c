/*
 * log_line — escaping, and putting the parts of a line in their order.
 */
#include "base/log_line.h"

#include <assert.h>
#include <stdio.h>

#include "base/utf8.h"

#define ESCAPED_BYTES_MAX 8
/* What follows the message: a fully escaped request id with its frame. */
#define TAIL_BYTES_MAX (LOG_REQUEST_BYTES_MAX * 6 + 32)

static const char *const LEVEL_NAMES[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"};

const char *log_level_name(enum log_level level)
{
    return LEVEL_NAMES[level];
}

struct text {
    char *next, *end;
};

/* All of it or nothing. */
static bool put(struct text *text, struct slice slice)
{
    if (slice.length > (size_t)(text->end - text->next))
        return false;
    if (slice.length > 0)
        memcpy(text->next, slice.start, slice.length);
    text->next += slice.length;
    return true;
}

static bool put_string(struct text *text, const char *string)
{
    return put(text, slice_from_string(string));
}

static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* A byte that is not UTF-8, or a control character of one (C0, DEL) or two bytes (C1). */
static struct slice escape(struct slice bytes, bool is_json, char escaped[ESCAPED_BYTES_MAX])
{
    unsigned char first = (unsigned char)bytes.start[0];
    unsigned char last = (unsigned char)bytes.start[bytes.length - 1];
    const char *format = is_json ? "\\\\x%02x" : "\\x%02x";

    if (short_escape(first) != NULL)
        return slice_from_string(short_escape(first));
    if (bytes.length == 2 || (first < 0x80 && is_json))
        format = "\\u%04x";
    int length = snprintf(escaped, ESCAPED_BYTES_MAX, format, last);
    return slice_of(escaped, (size_t)length);
}

/* Takes one character off `*rest` and puts it as it may appear in the log. */
static bool put_character(struct text *text, struct slice *rest, bool is_json)
{
    char escaped[ESCAPED_BYTES_MAX];
    size_t length = utf8_length(*rest);
    struct slice character = slice_of(rest->start, length > 0 ? length : 1);
    unsigned char first = (unsigned char)rest->start[0];
    bool is_c1 = length == 2 && first == 0xc2 && (unsigned char)rest->start[1] < 0xa0;

    *rest = slice_after(*rest, character.length);
    if (length == 0 || is_c1 || first < 0x20 || first == 0x7f)
        return put(text, escape(character, is_json, escaped));
    if (is_json && (first == '"' || first == '\\')) {
        escaped[0] = '\\';
        escaped[1] = (char)first;
        return put(text, slice_of(escaped, 2));
    }
    return put(text, character);
}

/* False when cut. */
static bool put_escaped(struct text *text, struct slice slice, bool is_json)
{
    while (slice.length > 0) {
        if (!put_character(text, &slice, is_json))
            return false;
    }
    return true;
}

/* The second's text is kept per thread: making it is most of the cost of a line. */
static void put_time(struct text *text, struct timespec time)
{
    static _Thread_local struct {
        time_t second;
        char text[24];
    } last = {.second = -1};
    char milliseconds[8];

    if (last.second != time.tv_sec) {
        struct tm parts;
        gmtime_r(&time.tv_sec, &parts);
        strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S", &parts);
        last.second = time.tv_sec;
    }
    snprintf(milliseconds, sizeof(milliseconds), ".%03uZ",
             (unsigned)(time.tv_nsec / 1000000) % 1000U);
    put_string(text, last.text);
    put_string(text, milliseconds);
}

static void put_text_head(struct text *line, const struct log_entry *entry)
{
    put_time(line, entry->time);
    put_string(line, " ");
    put_string(line, log_level_name(entry->level));
    put_string(line, " ");
    if (entry->process[0] != '\0') {
        put_string(line, "[");
        put_escaped(line, slice_from_string(entry->process), false);
        put_string(line, "] ");
    }
}

static void put_json_head(struct text *line, const struct log_entry *entry)
{
    put_string(line, "{\"time\":\"");
    put_time(line, entry->time);
    put_string(line, "\",\"level\":\"");
    put_string(line, log_level_name(entry->level));
    put_string(line, "\",\"process\":\"");
    put_escaped(line, slice_from_string(entry->process), true);
    put_string(line, "\",\"message\":\"");
}

static void put_tail(struct text *tail, const struct log_entry *entry)
{
    bool is_json = entry->format == LOG_JSON;
    struct slice request = entry->request;

    if (request.length > LOG_REQUEST_BYTES_MAX)
        request.length = LOG_REQUEST_BYTES_MAX;
    if (request.length > 0) {
        put_string(tail, is_json ? "\",\"request\":\"" : " request=");
        put_escaped(tail, request, is_json);
    }
    put_string(tail, is_json ? "\"}" : "");
}

struct slice log_line_format(const struct log_entry *entry, char line[LOG_LINE_BYTES_MAX])
{
    static const struct slice CUT = SLICE("...");
    char tail[TAIL_BYTES_MAX];
    struct text end = {tail, tail + sizeof(tail)};
    struct text text = {line, line + LOG_LINE_BYTES_MAX};

    put_tail(&end, entry);
    struct slice after = slice_of(tail, (size_t)(end.next - tail));
    text.end -= after.length + CUT.length;
    if (entry->format == LOG_JSON)
        put_json_head(&text, entry);
    else
        put_text_head(&text, entry);
    bool is_whole = put_escaped(&text, entry->message, entry->format == LOG_JSON);

    text.end = line + LOG_LINE_BYTES_MAX;
    bool is_put = (is_whole || put(&text, CUT)) && put(&text, after);
    assert(is_put);
    return slice_of(line, (size_t)(text.next - line));
}
