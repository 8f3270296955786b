/*
 * master_upgrade — moongate upgrade, on both sides: the gateway that is replaced, and the one that
 * takes its place.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/master_private.h"
#include "server/service_manager.h"
#include "shm/shared.h"

#define ANSWER_BYTES_MAX ((size_t)1 << 20)
#define ERRORS_MAX       1000
#define LINE_BYTES       256

/* Why none can begin, a line; empty: one can. */
static struct slice obstacle_of(const struct master *master)
{
    if (master->workforce.is_stopping || !master->is_ready)
        return SLICE("the gateway is starting or stopping\n");
    if (master->upgrade_asker != NULL)
        return SLICE("an upgrade is under way\n");
    if (master->predecessor != NULL)
        return SLICE("the gateway that the last upgrade replaced still finishes its requests; try "
                     "again when it has ended\n");
    if (getpid() == 1)
        return SLICE("the gateway is process 1, with which its container ends, so no other one can "
                     "take its place: run it under an init (docker run --init)\n");
    return SLICE("");
}

static void write_failure(struct slice errors, bool is_json, struct buffer *into)
{
    struct json_writer writer;
    char line[LINE_BYTES];

    if (!is_json) {
        int length =
            snprintf(line, sizeof(line), "nothing has changed: pid %d goes on\n", (int)getpid());
        buffer_append(into, errors);
        buffer_append(into, slice_of(line, (size_t)length));
        return;
    }
    json_writer_init(&writer, into);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", false);
    json_writer_put_number(&writer, "pid", getpid());
    json_writer_put_lines(&writer, "errors", errors, ERRORS_MAX);
    json_writer_close_object(&writer);
    buffer_append(into, SLICE("\n"));
}

static void write_success(const struct upgrade_outcome *outcome, bool is_json, struct buffer *into)
{
    struct json_writer writer;
    char line[LINE_BYTES];

    if (!is_json) {
        int length = snprintf(line, sizeof(line), "pid %d serves; pid %d finishes its requests\n",
                              (int)outcome->pid, (int)getpid());
        buffer_append(into, slice_of(line, (size_t)length));
        buffer_append(into, outcome->note);
        buffer_append(into, outcome->note.length > 0 ? SLICE("\n") : SLICE(""));
        return;
    }
    json_writer_init(&writer, into);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", true);
    json_writer_put_number(&writer, "pid", outcome->pid);
    json_writer_put_number(&writer, "previous_pid", getpid());
    if (outcome->note.length > 0)
        json_writer_put_text(&writer, "note", outcome->note);
    json_writer_close_object(&writer);
    buffer_append(into, SLICE("\n"));
}

static void answer(struct control_client *client, const struct upgrade_outcome *outcome)
{
    bool is_done = outcome->pid != 0;
    struct buffer text;

    buffer_init(&text, ANSWER_BYTES_MAX, NULL);
    if (is_done)
        write_success(outcome, control_wants_json(client), &text);
    else
        write_failure(outcome->errors, control_wants_json(client), &text);
    control_answer(client, is_done, buffer_slice(&text));
    buffer_clear(&text);
}

static void refuse(struct control_client *client, struct slice errors)
{
    const struct upgrade_outcome outcome = {.errors = errors};
    answer(client, &outcome);
}

static void on_failure(struct master *master, struct slice errors)
{
    struct control_client *client = master->upgrade_asker;

    log_write(LOG_ERROR, "was not upgraded: %.*s", SLICE_FORMAT(errors));
    shared_forget_other_side(master->shared); /* of one that was killed nobody else does */
    master->upgrade_asker = NULL;
    reload_desk_resume(master->desk);
    refuse(client, errors);
}

static void on_success(struct master *master, const struct upgrade_outcome *outcome)
{
    struct control_client *client = master->upgrade_asker;
    size_t kept =
        outcome->kept.length < PLAN_LISTENERS_MAX ? outcome->kept.length : PLAN_LISTENERS_MAX;

    log_write(LOG_INFO, "pid %d serves; what was begun is finished here", (int)outcome->pid);
    memcpy(master->kept, outcome->kept.start, kept);
    master->kept[kept] = '\0';
    master->upgrade_asker = NULL;
    if (reload_desk_is_asked(master->desk)) /* maybe after it has read the files */
        kill(outcome->pid, SIGHUP);
    service_manager_tell_successor(outcome->pid);
    answer(client, outcome);
    control_hand_over(master->control);
    master_leave(master);
}

static void on_ended(void *data, const struct upgrade_outcome *outcome)
{
    struct master *master = data;

    if (outcome->pid != 0)
        on_success(master, outcome);
    else
        on_failure(master, outcome->errors);
    upgrade_destroy(&master->upgrade);
}

/* No reload is under way, so what is handed over is what runs. */
static void on_paused(void *data)
{
    struct master *master = data;
    struct upgrade_options options = {.loop = master->loop,
                                      .arguments = master->options->arguments,
                                      .ended = on_ended,
                                      .data = master};
    struct handover handover = {.sockets = master->sockets,
                                .plan = master->plan,
                                .doors = *control_doors_of(master->control),
                                .memory_fd = master->shared->segment.fd,
                                .side = master->shared->side,
                                .lifeline_fd = master->lifeline[0],
                                .generation = master->history.generation,
                                .succeeded = master->history.succeeded,
                                .failed = master->history.failed,
                                .drain_seconds = master->plan.drain_seconds};
    char line[LINE_BYTES];

    memcpy(handover.tickets, master->tickets, sizeof(handover.tickets));
    master->upgrade = upgrade_begin(&options, &handover);
    if (master->upgrade != NULL)
        return;
    int length = snprintf(line, sizeof(line), "the new gateway cannot be started: %s\n",
                          strerrordesc_np(errno));
    on_failure(master, slice_of(line, (size_t)length));
}

void master_begin_upgrade(struct master *master, struct control_client *client)
{
    struct slice obstacle = obstacle_of(master);

    if (obstacle.length > 0) {
        refuse(client, obstacle);
        return;
    }
    control_promise(client, reload_desk_seconds_max() + UPGRADE_SECONDS_MAX);
    master->upgrade_asker = client;
    reload_desk_pause(master->desk, on_paused, master);
}

void master_cancel_upgrade(struct master *master)
{
    struct control_client *client = master->upgrade_asker;

    if (client == NULL)
        return;
    if (master->upgrade != NULL)
        upgrade_destroy(&master->upgrade);
    master->upgrade_asker = NULL;
    refuse(client, SLICE("the gateway is stopping\n"));
}

/* The other side. */

static void on_predecessor_gone(void *data)
{
    struct master *master = data;

    log_write(LOG_INFO, "the gateway before has ended");
    predecessor_destroy(&master->predecessor);
    shared_forget_other_side(master->shared);
    if (master->workforce.is_stopping)
        master_end_if_alone(master);
}

void master_fail_upgrade(struct master *master, struct slice text)
{
    if (master->predecessor != NULL && !master->is_ready)
        predecessor_tell_failure(master->predecessor, text);
}

bool master_take_over(struct master *master)
{
    struct workforce *workforce = &master->workforce;
    const struct channel_message listen = {.kind = CHANNEL_LISTEN, .ok = true};

    if (!sockets_complete(&master->sockets)) {
        master_fail_upgrade(master, SLICE("the new gateway cannot listen on its sockets\n"));
        return false;
    }
    for (unsigned i = 0; i < workforce->options.count; i++)
        workforce_send(workforce, i, &listen);
    workforce->options.worker.waits_to_listen = false;
    return true;
}

void master_dismiss_predecessor(struct master *master)
{
    struct slice note = slice_from_string(master->note);

    predecessor_tell_serving(master->predecessor, &master->sockets, note);
    predecessor_watch(master->predecessor, master->loop, on_predecessor_gone, master);
}
