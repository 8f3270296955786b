/*
 * control_client — one line read, one answer written, both within their time.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/loop.h"
#include "server/control_private.h"

void control_client_close(struct control_client *client)
{
    struct control *control = client->control;
    struct ev_loop *ev = control->loop->ev;

    ev_io_stop(ev, &client->reads);
    ev_io_stop(ev, &client->writes);
    ev_timer_stop(ev, &client->deadline);
    shutdown(client->fd, SHUT_RDWR); /* a forked child may have a copy */
    close(client->fd);
    buffer_clear(&client->answer);
    list_remove(&client->node);
    control->client_count--;
    free(client);
}

static void on_deadline(struct ev_loop *ev, ev_timer *timer, int events)
{
    control_client_close(timer->data);
}

static void arm_deadline(struct control_client *client)
{
    ev_timer_stop(client->control->loop->ev, &client->deadline);
    ev_timer_set(&client->deadline, CONTROL_SECONDS_MAX, 0);
    ev_timer_start(client->control->loop->ev, &client->deadline);
}

/* Sends what the socket takes. False when the client is gone. */
static bool send_some(struct control_client *client)
{
    struct buffer *answer = &client->answer;

    while (buffer_length(answer) > 0) {
        struct slice rest = buffer_slice(answer);
        ssize_t count = send(client->fd, rest.start, rest.length, MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        buffer_consume(answer, (size_t)count);
    }
    return true;
}

/* Of one who is asking nothing is closed before the answer: the asker keeps the pointer. */
static void send_answer(struct control_client *client)
{
    struct ev_loop *ev = client->control->loop->ev;
    bool is_gone = !send_some(client), is_sent = buffer_length(&client->answer) == 0;

    if (is_gone)
        buffer_clear(&client->answer);
    if (is_gone || is_sent) {
        ev_io_stop(ev, &client->writes);
        if (!client->is_asking)
            control_client_close(client);
        return;
    }
    ev_io_start(ev, &client->writes);
    if (!client->is_asking)
        arm_deadline(client);
}

static void on_writable(struct ev_loop *ev, ev_io *watcher, int events)
{
    send_answer(watcher->data);
}

bool control_wants_json(const struct control_client *client)
{
    return client->wants_json;
}

struct slice control_words(const struct control_client *client)
{
    return client->words;
}

void control_promise(struct control_client *client, double seconds)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "wait %.0f\n", seconds);

    assert(client->is_asking);
    buffer_append(&client->answer, slice_of(line, (size_t)length));
    send_answer(client);
}

void control_client_send_away(struct control_client *client)
{
    client->is_asking = false;
    buffer_append(&client->answer, SLICE("again\n"));
    send_answer(client);
}

void control_answer(struct control_client *client, bool is_done, struct slice text)
{
    assert(client->is_asking);
    if (client->control->is_handed_over) {
        control_client_send_away(client);
        return;
    }
    client->is_asking = false;
    buffer_append(&client->answer, is_done ? SLICE("done\n") : SLICE("failed\n"));
    if (!buffer_append(&client->answer, text))
        buffer_append(&client->answer, SLICE("the answer is too long\n"));
    send_answer(client);
}

static void ask(struct control_client *client, size_t length)
{
    struct control *control = client->control;

    ev_io_stop(control->loop->ev, &client->reads);
    ev_timer_stop(control->loop->ev, &client->deadline);
    struct slice line = slice_of(client->request, length);
    size_t verb = slice_find(line, ' ');
    client->is_asking = true;
    struct slice rest = verb < line.length ? slice_after(line, verb + 1) : SLICE("");
    size_t form = slice_find(rest, ' ');
    client->wants_json = slice_equals(slice_of(rest.start, form), SLICE("json"));
    client->words = form < rest.length ? slice_after(rest, form + 1) : SLICE("");
    control->on_request(control->data, client, slice_of(line.start, verb));
}

static void on_readable(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct control_client *client = watcher->data;
    size_t room = sizeof(client->request) - client->request_length;
    ssize_t count = recv(client->fd, client->request + client->request_length, room, 0);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        control_client_close(client);
        return;
    }
    client->request_length += (size_t)count;
    size_t line = slice_find(slice_of(client->request, client->request_length), '\n');
    if (line < client->request_length)
        ask(client, line);
    else if (client->request_length == sizeof(client->request))
        control_client_close(client);
}

void control_client_add(struct control *control, int fd)
{
    struct control_client *client = mem_zeroed(sizeof(*client));

    client->control = control;
    client->fd = fd;
    buffer_init(&client->answer, CONTROL_ANSWER_BYTES_MAX, NULL);
    ev_io_init(&client->reads, on_readable, fd, EV_READ);
    ev_io_init(&client->writes, on_writable, fd, EV_WRITE);
    ev_init(&client->deadline, on_deadline);
    client->reads.data = client->writes.data = client->deadline.data = client;
    list_push_back(&control->clients, &client->node);
    ev_io_start(control->loop->ev, &client->reads);
    arm_deadline(client);
    control->client_count++;
}
