/*
 * purge_answer — purging, and a line about it, or JSON.
 */
#include "server/purge_answer.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/json_writer.h"
#include "cache/cache_purge.h"
#include "server/control.h"
#include "shm/object_purge.h"
#include "shm/shared.h"

#define ANSWER_BYTES_MAX 1024

struct outcome {
    const char *fault; /* NULL: done */
    bool is_counted;
    uint64_t purged;
};

/* The master may take the time: it serves nobody, and 64 GB of memory are looked at in two
 * seconds. */
static struct outcome sweep(struct object_store *store)
{
    struct object_purge_scan scan = {0};

    while (cache_purge_sweep(store, &scan))
        continue;
    return (struct outcome){.is_counted = true, .purged = scan.purged};
}

static struct outcome purge(struct shared *shared, struct slice words)
{
    struct cache_purge wanted;
    struct arena arena;

    if (!cache_purge_read(words, &wanted))
        return (struct outcome){.fault = "expected url, prefix, tag, route, plugin-cache or all"};
    arena_init(&arena);
    enum cache_purge_result result =
        cache_purge_begin(&shared->objects, &shared->values, &wanted, &arena);
    arena_clear(&arena);
    if (result == CACHE_PURGE_BEGUN)
        return sweep(&shared->objects);
    return (struct outcome){.fault = cache_purge_fault(result)};
}

static void print_json(const struct outcome *outcome, struct buffer *text)
{
    struct json_writer writer;

    json_writer_init(&writer, text);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", outcome->fault == NULL);
    if (outcome->fault != NULL)
        json_writer_put_text(&writer, "error", slice_from_string(outcome->fault));
    if (outcome->is_counted)
        json_writer_put_number(&writer, "purged", (double)outcome->purged);
    json_writer_close_object(&writer);
    buffer_append(text, SLICE("\n"));
}

static void print(const struct outcome *outcome, struct buffer *text)
{
    char line[ANSWER_BYTES_MAX];
    int length;

    if (outcome->fault != NULL)
        length = snprintf(line, sizeof(line), "%s\n", outcome->fault);
    else if (outcome->is_counted)
        length = snprintf(line, sizeof(line), "purged %llu answers\n",
                          (unsigned long long)outcome->purged);
    else
        length = snprintf(line, sizeof(line), "purged\n");
    buffer_append(text, slice_of(line, (size_t)length));
}

void purge_answer(struct shared *shared, struct control_client *client, struct slice words)
{
    struct outcome outcome = purge(shared, words);
    struct buffer text;

    buffer_init(&text, ANSWER_BYTES_MAX, NULL);
    (control_wants_json(client) ? print_json : print)(&outcome, &text);
    control_answer(client, outcome.fault == NULL, buffer_slice(&text));
    buffer_clear(&text);
}
