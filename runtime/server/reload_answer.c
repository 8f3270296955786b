/*
 * reload_answer — the same answer twice.
 */
#include "server/reload_answer.h"

#include <assert.h>
#include <stdio.h>

#include "base/json_writer.h"
#include "server/channel.h"

#define ANSWER_BYTES_MAX ((size_t)3 << 20)
#define BRIEF_ERRORS_MAX 256
#define LINE_BYTES_MAX   256

static void put_line(struct buffer *into, const char *before, uint64_t number, const char *behind)
{
    char line[LINE_BYTES_MAX];
    int length =
        snprintf(line, sizeof(line), "%s%llu%s\n", before, (unsigned long long)number, behind);

    buffer_append(into, slice_of(line, (size_t)length));
}

static void write_text(struct reload_answer *answer)
{
    const struct history *history = answer->history;
    struct buffer *text = &answer->text;

    if (answer->errors.length > 0) {
        buffer_append(text, answer->errors);
        put_line(text, "nothing has changed: generation ", history->generation, " goes on");
        return;
    }
    if (answer->is_unchanged)
        put_line(text, "the configuration is the same as before: generation ", history->generation,
                 " goes on");
    else
        put_line(text, "generation ", history->generation, " serves");
    history_print_unapplied(history, text);
}

/* False when it has no room. */
static bool write_json(const struct reload_answer *answer, struct buffer *into, size_t errors_max)
{
    const struct history *history = answer->history;
    struct json_writer writer;

    json_writer_init(&writer, into);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", answer->errors.length == 0);
    json_writer_put_number(&writer, "generation", (double)history->generation);
    if (answer->errors.length > 0) {
        json_writer_put_lines(&writer, "errors", answer->errors, errors_max);
    } else {
        json_writer_put_flag(&writer, "changed", !answer->is_unchanged);
        history_write_unapplied(history, &writer);
    }
    json_writer_close_object(&writer);
    return buffer_append(into, SLICE("\n")) && json_writer_is_whole(&writer);
}

void reload_answer_write(struct reload_answer *answer)
{
    buffer_init(&answer->text, ANSWER_BYTES_MAX, NULL);
    buffer_init(&answer->json, ANSWER_BYTES_MAX, NULL);
    buffer_init(&answer->brief, CHANNEL_TEXT_BYTES_MAX, NULL);
    write_text(answer);
    write_json(answer, &answer->json, SIZE_MAX);
    for (size_t errors_max = BRIEF_ERRORS_MAX; !write_json(answer, &answer->brief, errors_max);
         errors_max /= 2) {
        assert(errors_max > 0);
        buffer_clear(&answer->brief);
    }
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
