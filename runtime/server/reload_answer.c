/*
 * reload_answer — the same answer twice.
 */
#include "server/reload_answer.h"

#include <assert.h>
#include <stdio.h>

#include "base/json_writer.h"
#include "server/channel.h"
#include "server/difference.h"

#define ANSWER_BYTES_MAX ((size_t)3 << 20)
/* Errors, or things of each kind that have changed. */
#define NAMED_MAX       100000
#define BRIEF_NAMED_MAX 256
#define LINE_BYTES_MAX  256

static void put_line(struct buffer *into, const char *before, uint64_t number, const char *behind)
{
    char line[LINE_BYTES_MAX];
    int length =
        snprintf(line, sizeof(line), "%s%llu%s\n", before, (unsigned long long)number, behind);

    buffer_append(into, slice_of(line, (size_t)length));
}

static void write_outcome(const struct reload_answer *answer, struct buffer *text)
{
    uint64_t generation = answer->history->generation;

    if (answer->is_unchanged)
        put_line(text, "the configuration is the same as before: generation ", generation,
                 " goes on");
    else if (answer->is_preview)
        put_line(text, "generation ", generation, " would be followed by another one");
    else if (answer->has_nobody)
        put_line(text, "no worker serves: those that are started now run generation ", generation,
                 "");
    else
        put_line(text, "generation ", generation, " serves");
}

static void write_text(struct reload_answer *answer)
{
    struct buffer *text = &answer->text;

    if (answer->errors.length > 0) {
        buffer_append(text, answer->errors);
        put_line(text, "nothing has changed: generation ", answer->history->generation, " goes on");
        return;
    }
    write_outcome(answer, text);
    if (answer->difference != NULL)
        difference_print(answer->difference, text);
    history_print_unapplied(answer->unapplied, text);
}

/* False when it has no room. */
static bool write_json(const struct reload_answer *answer, struct buffer *into, size_t named_max)
{
    struct json_writer writer;

    json_writer_init(&writer, into);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", answer->errors.length == 0);
    json_writer_put_number(&writer, "generation", (double)answer->history->generation);
    if (answer->errors.length > 0) {
        json_writer_put_lines(&writer, "errors", answer->errors, named_max);
    } else {
        json_writer_put_flag(&writer, "changed", !answer->is_unchanged);
        history_write_unapplied(answer->unapplied, &writer);
    }
    if (answer->difference != NULL) {
        json_writer_open_object(&writer, "changes");
        difference_write(answer->difference, &writer, named_max);
        json_writer_close_object(&writer);
    }
    json_writer_close_object(&writer);
    return buffer_append(into, SLICE("\n")) && json_writer_is_whole(&writer);
}

/* With as much as there is room for. */
static void write_json_within(const struct reload_answer *answer, struct buffer *into,
                              size_t bytes_max, size_t named_max)
{
    buffer_init(into, bytes_max, NULL);
    while (!write_json(answer, into, named_max)) {
        assert(named_max > 0);
        named_max /= 2;
        buffer_clear(into);
    }
}

void reload_answer_write(struct reload_answer *answer)
{
    buffer_init(&answer->text, ANSWER_BYTES_MAX, NULL);
    write_text(answer);
    write_json_within(answer, &answer->json, ANSWER_BYTES_MAX, NAMED_MAX);
    write_json_within(answer, &answer->brief, CHANNEL_TEXT_BYTES_MAX, BRIEF_NAMED_MAX);
}

void reload_answer_clear(struct reload_answer *answer)
{
    buffer_clear(&answer->text);
    buffer_clear(&answer->json);
    buffer_clear(&answer->brief);
}

struct reload_outcome reload_answer_refusal(void)
{
    static const struct slice JSON =
        SLICE("{\"ok\":false,\"errors\":[\"the gateway is starting or stopping\"]}\n");

    return (struct reload_outcome){.is_done = false,
                                   .text = SLICE("the gateway is starting or stopping\n"),
                                   .json = JSON,
                                   .brief = JSON};
}
