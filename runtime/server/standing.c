/*
 * standing — the same facts in two forms.
 */
#include "server/standing.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "server/history.h"
#include "server/nursery.h"
#include "server/plugin_report.h"
#include "server/protection_report.h"
#include "server/workforce.h"
#include "shm/notice.h"
#include "shm/shared.h"

#define NEWS_ERRORS_MAX 256
#define LINE_BYTES_MAX  4600
#define TIME_BYTES      32

static const char *state_of(const struct standing *standing)
{
    if (standing->workforce->is_stopping)
        return "stopping";
    return standing->is_ready ? "serving" : "starting";
}

static struct slice time_text(double seconds, char text[TIME_BYTES])
{
    time_t second = (time_t)seconds;
    struct tm parts;

    gmtime_r(&second, &parts);
    return slice_of(text, strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

static void put_line(struct buffer *into, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put_line(struct buffer *into, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    buffer_append(
        into, slice_of(line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1));
    buffer_append(into, SLICE("\n"));
}

static void put_failure(struct buffer *into, const struct history_failure *failure)
{
    char at[TIME_BYTES];
    struct slice when = time_text(failure->at, at);

    put_line(into, "last reload    FAILED, %.*s (%s):", SLICE_FORMAT(when),
             history_cause_name(failure->cause));
    buffer_append(into, slice_from_string(failure->errors));
}

static void put_restarts(struct buffer *into, const struct workforce *workforce)
{
    put_line(into, "restarts       %llu of workers that had ended",
             (unsigned long long)workforce->restarts);
    for (unsigned i = 0; i < workforce->options.count; i++) {
        double seconds = workforce_next_try(workforce, i);
        if (seconds > 0)
            put_line(into, "               worker %u has ended soon %u times, next try in %.1f s",
                     i + 1, workforce->members[i].backoff.soon_count, seconds);
    }
}

static void put_shedding(struct buffer *into, const struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->options.count; i++) {
        struct worker_outline outline =
            worker_place_outline(shared_place(workforce->options.worker.shared, i));
        if (outline.shed_level > 0)
            put_line(into,
                     "shedding       worker %u refuses %.0f %% of requests, it is %.0f ms late",
                     i + 1, outline.shed_level * 100, outline.delay_seconds * 1e3);
    }
}

static const char *nursery_state_of(const struct nursery *nursery)
{
    if (nursery->is_ready)
        return "ready";
    return nursery->pid != 0 ? "building" : "missing";
}

static void put_nursery(struct buffer *into, const struct nursery *nursery)
{
    if (nursery->pid != 0)
        put_line(into, "nursery        %s, pid %d", nursery_state_of(nursery), (int)nursery->pid);
    else
        put_line(into, "nursery        %s", nursery_state_of(nursery));
}

void standing_print(const struct standing *standing, struct buffer *into)
{
    const struct history *history = standing->history;
    const struct workforce *workforce = standing->workforce;
    char text[TIME_BYTES];
    struct slice started = time_text(standing->started, text);

    put_line(into, "moongate       %s, %s, pid %d", MOONGATE_VERSION, state_of(standing),
             (int)getpid());
    put_line(into, "configuration  %s", standing->config_path);
    put_line(into, "started        %.*s", SLICE_FORMAT(started));
    put_line(into, "workers        %u of %u serve", workforce->ready_count,
             workforce->options.count);
    put_restarts(into, workforce);
    put_shedding(into, workforce);
    put_nursery(into, workforce->options.nursery);
    if (standing->previous_pid != 0)
        put_line(into, "before         pid %d finishes its requests", (int)standing->previous_pid);
    if (history->generation == 0)
        return;
    struct slice since = time_text(history->since, text);
    put_line(into, "generation     %llu, since %.*s (%s)", (unsigned long long)history->generation,
             SLICE_FORMAT(since), history_cause_name(history->cause));
    put_line(into, "reloads        %llu succeeded, %llu failed",
             (unsigned long long)history->succeeded, (unsigned long long)history->failed);
    if (history->is_held)
        put_line(into, "held           rolled back; changed files wait for moongate reload");
    history_print_unapplied(history->unapplied, into);
    if (history->failure.errors != NULL)
        put_failure(into, &history->failure);
    protection_report_print(workforce->options.worker.shared, into);
    plugin_report_print(&workforce->options.worker.shared->accounts, into);
}

/* A worker says it in shared memory, unless it is stopped by a signal or not there. */
static const char *worker_state_of(const struct workforce_member *member,
                                   const struct worker_outline *outline)
{
    if (member->pid == 0)
        return "missing";
    return member->is_stopped ? "stopped" : worker_state_name(outline->state);
}

static void write_workers(struct json_writer *writer, const struct workforce *workforce)
{
    json_writer_open_array(writer, "workers");
    for (unsigned i = 0; i < workforce->options.count; i++) {
        const struct workforce_member *member = &workforce->members[i];
        struct worker_outline outline =
            worker_place_outline(shared_place(workforce->options.worker.shared, i));
        json_writer_open_object(writer, NULL);
        json_writer_put_number(writer, "worker", i + 1);
        json_writer_put_number(writer, "pid", member->pid);
        json_writer_put_flag(writer, "serves", member->is_ready);
        json_writer_put_string(writer, "state", worker_state_of(member, &outline));
        if (outline.generation > 0)
            json_writer_put_number(writer, "generation", (double)outline.generation);
        json_writer_put_number(writer, "delay", outline.delay_seconds);
        json_writer_put_number(writer, "shed_level", outline.shed_level);
        json_writer_put_number(writer, "restarts", (double)member->restarts);
        if (workforce_next_try(workforce, i) > 0)
            json_writer_put_number(writer, "next_try_in", workforce_next_try(workforce, i));
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
}

static void write_nursery(struct json_writer *writer, const struct nursery *nursery)
{
    json_writer_open_object(writer, "nursery");
    json_writer_put_string(writer, "state", nursery_state_of(nursery));
    if (nursery->pid != 0) {
        json_writer_put_number(writer, "pid", nursery->pid);
        json_writer_put_number(writer, "generation", (double)nursery->generation);
    }
    json_writer_close_object(writer);
}

static void write_reload(struct json_writer *writer, const struct history *history,
                         size_t errors_max)
{
    const struct history_failure *failure = &history->failure;

    json_writer_put_number(writer, "generation", (double)history->generation);
    json_writer_put_number(writer, "since", history->since);
    json_writer_put_string(writer, "cause", history_cause_name(history->cause));
    json_writer_put_flag(writer, "held", history->is_held);
    history_write_unapplied(history->unapplied, writer);
    json_writer_open_object(writer, "reloads");
    json_writer_put_number(writer, "succeeded", (double)history->succeeded);
    json_writer_put_number(writer, "failed", (double)history->failed);
    json_writer_close_object(writer);
    if (failure->errors == NULL)
        return;
    json_writer_open_object(writer, "last_failure");
    json_writer_put_number(writer, "at", failure->at);
    json_writer_put_string(writer, "cause", history_cause_name(failure->cause));
    json_writer_put_lines(writer, "errors", slice_from_string(failure->errors), errors_max);
    json_writer_close_object(writer);
}

void standing_print_json(const struct standing *standing, struct buffer *into)
{
    struct json_writer writer;

    json_writer_init(&writer, into);
    json_writer_open_object(&writer, NULL);
    json_writer_put_string(&writer, "version", MOONGATE_VERSION);
    json_writer_put_string(&writer, "state", state_of(standing));
    json_writer_put_number(&writer, "pid", getpid());
    json_writer_put_string(&writer, "configuration", standing->config_path);
    json_writer_put_number(&writer, "started", standing->started);
    write_workers(&writer, standing->workforce);
    json_writer_put_number(&writer, "restarts", (double)standing->workforce->restarts);
    write_nursery(&writer, standing->workforce->options.nursery);
    if (standing->previous_pid != 0)
        json_writer_put_number(&writer, "previous_pid", standing->previous_pid);
    if (standing->history->generation > 0)
        write_reload(&writer, standing->history, SIZE_MAX);
    protection_report_write(standing->workforce->options.worker.shared, &writer);
    plugin_report_write(&standing->workforce->options.worker.shared->accounts, &writer);
    json_writer_close_object(&writer);
    buffer_append(into, SLICE("\n"));
}

void standing_print_news(const struct standing *standing, struct buffer *into)
{
    struct json_writer writer;

    assert(into->bytes_max <= NOTICE_BYTES_MAX);
    for (size_t errors_max = NEWS_ERRORS_MAX;; errors_max /= 2) {
        json_writer_init(&writer, into);
        json_writer_open_object(&writer, NULL);
        json_writer_put_number(&writer, "restarts", (double)standing->workforce->restarts);
        write_reload(&writer, standing->history, errors_max);
        json_writer_close_object(&writer);
        if (json_writer_is_whole(&writer))
            return;
        assert(errors_max > 0);
        buffer_clear(into);
    }
}
