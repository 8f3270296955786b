/*
 * master_requests — what is asked on the control socket, and what workers are told unasked.
 */
#include "server/master_private.h"
#include "server/purge_answer.h"
#include "server/reload_answer.h"
#include "server/standing.h"
#include "server/upstream_desk.h"
#include "shm/shared.h"

/* Ends with us: whoever asked to stop is answered by control_answer_all(), last of all. */
static void answer_stop(struct master *master, struct control_client *client)
{
    double seconds = master->plan.drain_seconds;

    if (master->predecessor != NULL && predecessor_drain_seconds(master->predecessor) > seconds)
        seconds = predecessor_drain_seconds(master->predecessor); /* it has to end, too */
    control_promise(client, seconds + 2 * MASTER_KILL_MARGIN_SECONDS);
    if (!master->workforce.is_stopping)
        master_stop(master);
}

static struct standing standing_of(const struct master *master)
{
    pid_t previous = master->predecessor != NULL ? predecessor_pid(master->predecessor) : 0;

    return (struct standing){.config_path = master->options->config_path,
                             .started = master->started,
                             .history = &master->history,
                             .workforce = &master->workforce,
                             .is_ready = master->is_ready,
                             .previous_pid = previous};
}

static void answer_status(struct master *master, struct control_client *client)
{
    struct standing standing = standing_of(master);
    struct buffer text;

    buffer_init(&text, STANDING_BYTES_MAX, NULL);
    if (control_wants_json(client))
        standing_print_json(&standing, &text);
    else
        standing_print(&standing, &text);
    control_answer(client, true, buffer_slice(&text));
    buffer_clear(&text);
}

static void answer_upstream(struct master *master, struct control_client *client)
{
    struct buffer text;

    buffer_init(&text, UPSTREAM_DESK_BYTES_MAX, NULL);
    bool is_done = upstream_desk_answer(master->shared, control_words(client),
                                        control_wants_json(client), &text);
    control_answer(client, is_done, buffer_slice(&text));
    buffer_clear(&text);
}

static void on_answer(const struct reload_asker *asker, const struct reload_outcome *outcome)
{
    struct control_client *client = asker->data;

    control_answer(client, outcome->is_done,
                   control_wants_json(client) ? outcome->json : outcome->text);
}

static void ask_desk(struct master *master, struct control_client *client, enum reload_kind kind)
{
    struct reload_asker asker = {.answer = on_answer, .data = client};
    struct reload_outcome refusal = reload_answer_refusal();

    control_promise(client, reload_desk_seconds_max());
    if (master->desk == NULL)
        on_answer(&asker, &refusal);
    else
        reload_desk_ask(master->desk, kind,
                        kind == RELOAD_PREVIOUS ? CAUSE_ROLLBACK : CAUSE_COMMAND, &asker);
}

void master_on_request(void *data, struct control_client *client, struct slice verb)
{
    struct master *master = data;

    if (slice_equals(verb, SLICE("status")))
        answer_status(master, client);
    else if (slice_equals(verb, SLICE("purge")))
        purge_answer(master->shared, client, control_words(client));
    else if (slice_equals(verb, SLICE("upstream")))
        answer_upstream(master, client);
    else if (slice_equals(verb, SLICE("upgrade")))
        master_begin_upgrade(master, client);
    else if (slice_equals(verb, SLICE("stop")))
        answer_stop(master, client);
    else if (slice_equals(verb, SLICE("reload")))
        ask_desk(master, client, RELOAD_FILES);
    else if (slice_equals(verb, SLICE("diff")))
        ask_desk(master, client, RELOAD_PREVIEW);
    else if (slice_equals(verb, SLICE("rollback")))
        ask_desk(master, client, RELOAD_PREVIOUS);
    else
        control_answer(client, false, SLICE("this gateway does not know that verb\n"));
}

/* A worker that has died meanwhile has a successor, which does not know the ticket. */
static void answer_worker(const struct reload_asker *asker, const struct reload_outcome *outcome)
{
    const struct channel_message message = {.kind = CHANNEL_ANSWER,
                                            .ok = outcome->is_done,
                                            .generation = asker->ticket,
                                            .text = outcome->brief};
    struct master *master = asker->data;

    workforce_send(&master->workforce, asker->worker, &message);
}

void master_on_ask(struct master *master, unsigned worker, const struct channel_message *message)
{
    struct reload_asker asker = {
        .answer = answer_worker, .data = master, .worker = worker, .ticket = message->generation};
    struct reload_outcome refusal = reload_answer_refusal();

    if (master->desk == NULL || !slice_equals(message->text, SLICE("reload")))
        answer_worker(&asker, &refusal);
    else
        reload_desk_ask(master->desk, RELOAD_FILES, CAUSE_ADMIN, &asker);
}

void master_publish_news(struct master *master)
{
    struct standing standing = standing_of(master);
    struct buffer text;

    buffer_init(&text, NOTICE_BYTES_MAX, NULL);
    standing_print_news(&standing, &text);
    notice_publish(&master->shared->notice, buffer_slice(&text));
    buffer_clear(&text);
}
