/*
 * upstream_desk — words taken apart, the roster asked, rows printed in order.
 */
#include "server/upstream_desk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/mem.h"
#include "server/upstream_protection.h"
#include "server/upstream_sources.h"
#include "upstream/roster.h"

#define WORDS_MAX  4
#define WEIGHT_MAX 1000
#define LINE_BYTES 1024

struct question {
    const struct shared *shared;
    struct slice words[WORDS_MAX];
    size_t word_count; /* more than WORDS_MAX: too many */
    bool wants_json;
    struct buffer *text;
};

__attribute__((format(printf, 2, 3))) static void print(struct buffer *text, const char *format,
                                                        ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length > 0)
        buffer_append(text, slice_of(line, (size_t)length < sizeof(line) ? (size_t)length
                                                                         : sizeof(line) - 1));
}

/* Always false. */
static bool refuse(const struct question *question, const char *sentence)
{
    struct json_writer writer;

    if (!question->wants_json) {
        print(question->text, "%s\n", sentence);
        return false;
    }
    json_writer_init(&writer, question->text);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", false);
    json_writer_put_text(&writer, "error", slice_from_string(sentence));
    json_writer_close_object(&writer);
    buffer_append(question->text, SLICE("\n"));
    return false;
}

static bool refuse_name(const struct question *question, enum roster_outcome outcome,
                        struct slice near)
{
    char sentence[LINE_BYTES];
    bool is_upstream = outcome == ROSTER_NO_UPSTREAM;
    struct slice wanted = question->words[is_upstream ? 1 : 2];
    int length = snprintf(sentence, sizeof(sentence), "there is no %s \"%.*s\"",
                          is_upstream ? "upstream" : "target", SLICE_FORMAT(wanted));

    if (near.length > 0 && length > 0 && (size_t)length < sizeof(sentence))
        snprintf(sentence + length, sizeof(sentence) - (size_t)length, "; did you mean \"%.*s\"?",
                 SLICE_FORMAT(near));
    return refuse(question, sentence);
}

static const char *state_of(const struct roster_row *row)
{
    if (row->overlay.mode != OVERLAY_NONE)
        return row->overlay.mode == OVERLAY_DRAIN ? "draining" : "disabled";
    if (row->probes == PROBE_DOWN)
        return "down";
    return row->is_set_aside ? "set aside" : "up";
}

static int compare(struct slice one, struct slice other)
{
    size_t length = one.length < other.length ? one.length : other.length;
    int bytes = memcmp(one.start, other.start, length);
    return bytes != 0 ? bytes : one.length < other.length ? -1 : one.length > other.length;
}

static int in_order(const void *one, const void *other)
{
    const struct roster_row *a = one, *b = other;
    int upstreams = compare(a->upstream, b->upstream);
    return upstreams != 0 ? upstreams : compare(a->url, b->url);
}

/* Texts of their own, which stay when the row does not. */
static void keep_names(struct roster_row *row)
{
    row->upstream = slice_of(slice_to_string(row->upstream), row->upstream.length);
    row->url = slice_of(slice_to_string(row->url), row->url.length);
}

/* Those of the upstream, of all when it has no name. To be given back with free_rows(). */
static struct roster_row *rows_of(const struct question *question, struct slice upstream,
                                  size_t *count)
{
    struct roster_row *rows = mem_zeroed_array(TARGET_BOARD_ROWS_MAX, sizeof(*rows));
    uint32_t cursor = 0;

    *count = 0;
    /* Each row comes by once. */
    while (roster_next(&question->shared->targets, &cursor, &rows[*count])) {
        if (upstream.length > 0 && !slice_equals(rows[*count].upstream, upstream))
            continue;
        keep_names(&rows[(*count)++]);
    }
    qsort(rows, *count, sizeof(*rows), in_order);
    return rows;
}

static void free_rows(struct roster_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)rows[i].upstream.start);
        free((char *)rows[i].url.start);
    }
    free(rows);
}

static void print_upstream(const struct question *question, struct slice upstream)
{
    print(question->text, "%.*s", SLICE_FORMAT(upstream));
    upstream_protection_print(question->shared, upstream, question->text);
    print(question->text, "\n");
}

static void print_rows(const struct question *question, const struct roster_row *rows, size_t count)
{
    struct buffer *text = question->text;
    struct slice upstream = SLICE_NONE;

    for (size_t i = 0; i < count; i++) {
        const struct roster_row *row = &rows[i];
        if (!slice_equals(row->upstream, upstream))
            print_upstream(question, row->upstream);
        upstream = row->upstream;
        print(text, "  %-40.*s %-9s %6llu active", SLICE_FORMAT(row->url), state_of(row),
              (unsigned long long)row->active);
        if (row->overlay.has_weight)
            print(text, ", weight %u", row->overlay.weight);
        print(text, "\n");
    }
}

static void print_rows_json(const struct question *question, struct slice upstream,
                            const struct roster_row *rows, size_t count)
{
    struct json_writer writer;

    json_writer_init(&writer, question->text);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", true);
    json_writer_open_array(&writer, "targets");
    for (size_t i = 0; i < count; i++) {
        const struct roster_row *row = &rows[i];
        json_writer_open_object(&writer, NULL);
        json_writer_put_text(&writer, "upstream", row->upstream);
        json_writer_put_text(&writer, "target", row->url);
        json_writer_put_text(&writer, "state", slice_from_string(state_of(row)));
        json_writer_put_number(&writer, "active", (double)row->active);
        if (row->overlay.has_weight)
            json_writer_put_number(&writer, "weight", row->overlay.weight);
        json_writer_close_object(&writer);
    }
    json_writer_close_array(&writer);
    upstream_sources_put(&question->shared->dict, &question->shared->targets, upstream, &writer);
    upstream_protection_put(question->shared, upstream, &writer);
    json_writer_close_object(&writer);
    buffer_append(question->text, SLICE("\n"));
}

static bool answer_list(struct question *question)
{
    struct slice upstream = question->word_count > 0 ? question->words[0] : SLICE_NONE, near;
    const struct roster_change look = {.upstream = upstream, .action = ROSTER_FIND};
    size_t count;

    if (upstream.length > 0 &&
        roster_apply(&question->shared->targets, &look, &near) == ROSTER_NO_UPSTREAM) {
        question->words[1] = upstream;
        return refuse_name(question, ROSTER_NO_UPSTREAM, near);
    }
    struct roster_row *rows = rows_of(question, upstream, &count);
    if (question->wants_json) {
        print_rows_json(question, upstream, rows, count);
    } else {
        print_rows(question, rows, count);
        upstream_sources_print(&question->shared->dict, &question->shared->targets, upstream,
                               question->text);
    }
    free_rows(rows, count);
    return true;
}

static bool answer_change(struct question *question, enum roster_action action)
{
    struct roster_change change = {.upstream = question->words[1],
                                   .target = question->words[2],
                                   .action = action,
                                   .now = clock_monotonic()};
    size_t wanted = action == ROSTER_WEIGHT ? 4 : 3;
    uint64_t weight = 0;
    struct slice near;

    if (question->word_count != wanted)
        return refuse(question, action == ROSTER_WEIGHT
                                    ? "expected: moongate upstream weight NAME TARGET NUMBER"
                                    : "expected: moongate upstream ACTION NAME TARGET");
    if (action == ROSTER_WEIGHT &&
        (!slice_to_uint64(question->words[3], &weight) || weight < 1 || weight > WEIGHT_MAX))
        return refuse(question, "a weight is a whole number from 1 to 1000");
    change.weight = (unsigned)weight;
    enum roster_outcome outcome = roster_apply(&question->shared->targets, &change, &near);
    if (outcome != ROSTER_DONE)
        return refuse_name(question, outcome, near);
    question->words[0] = question->words[1];
    question->word_count = 1;
    return answer_list(question);
}

static void split(struct question *question, struct slice words)
{
    while (words.length > 0) {
        size_t end = slice_find(words, ' ');
        if (question->word_count < WORDS_MAX)
            question->words[question->word_count] = slice_of(words.start, end);
        question->word_count++;
        words = end < words.length ? slice_after(words, end + 1) : SLICE_NONE;
    }
}

bool upstream_desk_answer(const struct shared *shared, struct slice words, bool wants_json,
                          struct buffer *text)
{
    struct question question = {.shared = shared, .wants_json = wants_json, .text = text};
    enum roster_action action;

    split(&question, words);
    if (question.word_count <= 1)
        return answer_list(&question);
    if (!roster_action_of(question.words[0], &action) || action == ROSTER_FIND)
        return refuse(&question, "the actions are drain, disable, enable, weight and reset");
    return answer_change(&question, action);
}
