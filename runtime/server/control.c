/*
 * control — accepting clients, reading one line from each, answering it.
 */
#include "server/control.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

/* After accept() has failed for want of descriptors, or while all wait for answers. */
#define PAUSE_SECONDS 0.1

/* One socket, on which clients come. */
struct entrance {
    struct control *control;
    int fd; /* the door's */
    ev_io accepts;
};

struct control {
    struct loop *loop; /* NULL until it serves */
    struct control_doors doors;
    struct entrance entrances[CONTROL_NAMES_MAX];
    control_request *on_request;
    void *data;
    struct list clients;
    unsigned client_count;
    ev_timer pause; /* active while nobody is accepted */
    bool is_handed_over;
};

struct control_client {
    struct list node;
    struct control *control;
    int fd;
    ev_io reads, writes;
    ev_timer deadline;
    bool is_asking; /* between on_request and its answer */
    bool wants_json;
    char request[CONTROL_REQUEST_BYTES_MAX];
    size_t request_length;
    struct buffer answer;
};

enum control_opening control_open(const char *config_path, struct control_doors *inherited,
                                  struct control **control, char error[CONTROL_ERROR_BYTES])
{
    struct control_doors doors;
    enum control_opening got = control_doors_open(&doors, config_path, inherited, error);

    *control = NULL;
    if (got == CONTROL_OPEN) {
        *control = mem_zeroed(sizeof(**control));
        (*control)->doors = doors;
        list_init(&(*control)->clients);
    }
    return got;
}

const struct control_doors *control_doors_of(const struct control *control)
{
    return &control->doors;
}

static void pause_accepting(struct control *control, bool is_paused)
{
    for (size_t i = 0; i < control->doors.count; i++) {
        if (is_paused)
            ev_io_stop(control->loop->ev, &control->entrances[i].accepts);
        else
            ev_io_start(control->loop->ev, &control->entrances[i].accepts);
    }
}

static void client_close(struct control_client *client)
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
    client_close(timer->data);
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
            client_close(client);
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

void control_promise(struct control_client *client, double seconds)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "wait %.0f\n", seconds);

    assert(client->is_asking);
    buffer_append(&client->answer, slice_of(line, (size_t)length));
    send_answer(client);
}

static void tell_to_ask_again(struct control_client *client)
{
    client->is_asking = false;
    buffer_append(&client->answer, SLICE("again\n"));
    send_answer(client);
}

void control_answer(struct control_client *client, bool is_done, struct slice text)
{
    assert(client->is_asking);
    if (client->control->is_handed_over) {
        tell_to_ask_again(client);
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
    client->wants_json = slice_equals(slice_after(line, verb), SLICE(" json"));
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
        client_close(client);
        return;
    }
    client->request_length += (size_t)count;
    size_t line = slice_find(slice_of(client->request, client->request_length), '\n');
    if (line < client->request_length)
        ask(client, line);
    else if (client->request_length == sizeof(client->request))
        client_close(client);
}

/* Who may: root, and whoever could end this process anyway. */
static bool is_admitted(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
        (peer.uid == geteuid() || peer.uid == 0))
        return true;
    log_write(LOG_WARNING, "a process of another user was turned away from the control socket");
    return false;
}

/* Makes room, if need be, by dropping the one who has said nothing for the longest time. */
static void drop_silent_client(struct control *control)
{
    struct list *node = control->clients.next;

    while (control->client_count == CONTROL_CLIENTS_MAX && node != &control->clients) {
        struct control_client *client = CONTAINER_OF(node, struct control_client, node);
        node = node->next;
        if (!client->is_asking)
            client_close(client);
    }
}

static void add_client(struct control *control, int fd)
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

static void on_pause_over(struct ev_loop *ev, ev_timer *timer, int events)
{
    pause_accepting(timer->data, false);
}

static void on_acceptable(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct entrance *entrance = watcher->data;
    struct control *control = entrance->control;

    drop_silent_client(control);
    bool is_full = control->client_count == CONTROL_CLIENTS_MAX;
    int fd = is_full ? -1 : accept4(entrance->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && !is_full && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return;
    if (fd < 0) {
        pause_accepting(control, true);
        ev_timer_set(&control->pause, PAUSE_SECONDS, 0);
        ev_timer_start(ev, &control->pause);
    } else if (is_admitted(fd)) {
        add_client(control, fd);
    } else {
        close(fd);
    }
}

bool control_follows_crash(const struct control *control)
{
    for (size_t i = 0; i < control->doors.count; i++) {
        if (control->doors.doors[i].was_left)
            return true;
    }
    return false;
}

static void init_entrance(struct control *control, size_t door)
{
    struct entrance *entrance = &control->entrances[door];

    *entrance = (struct entrance){.control = control, .fd = control->doors.doors[door].fd};
    ev_io_init(&entrance->accepts, on_acceptable, entrance->fd, EV_READ);
    entrance->accepts.data = entrance;
}

void control_serve(struct control *control, struct loop *loop, control_request *on_request,
                   void *data)
{
    assert(control->loop == NULL);
    control->loop = loop;
    control->on_request = on_request;
    control->data = data;
    ev_init(&control->pause, on_pause_over);
    control->pause.data = control;
    for (size_t i = 0; i < control->doors.count; i++)
        init_entrance(control, i);
    control_doors_sign(&control->doors);
    pause_accepting(control, false);
}

void control_hand_over(struct control *control)
{
    struct list *node = control->clients.next;

    control->is_handed_over = true;
    pause_accepting(control, true);
    ev_timer_stop(control->loop->ev, &control->pause);
    while (node != &control->clients) {
        struct control_client *client = CONTAINER_OF(node, struct control_client, node);
        node = node->next; /* telling may close, and so free, this one */
        if (!client->is_asking && buffer_length(&client->answer) == 0)
            tell_to_ask_again(client);
    }
    control_doors_abandon(&control->doors); /* their locks end with the other one alone */
}

static struct control_client *first_client(struct control *control)
{
    return CONTAINER_OF(control->clients.next, struct control_client, node);
}

void control_answer_all(struct control *control, bool is_done, struct slice text, struct slice json)
{
    struct list *node = control->clients.next;

    while (node != &control->clients) {
        struct control_client *client = CONTAINER_OF(node, struct control_client, node);
        node = node->next; /* answering may close, and so free, this one */
        if (client->is_asking)
            control_answer(client, is_done, client->wants_json ? json : text);
    }
}

void control_close(struct control **pointer)
{
    struct control *control = *pointer;

    if (control->loop != NULL) {
        while (!list_is_empty(&control->clients))
            client_close(first_client(control));
        pause_accepting(control, true);
        ev_timer_stop(control->loop->ev, &control->pause);
    }
    control_doors_close(&control->doors);
    free(control);
    *pointer = NULL;
}

void control_give_up(struct control **control)
{
    assert((*control)->loop == NULL);
    control_doors_give_up(&(*control)->doors);
    free(*control);
    *control = NULL;
}

void control_abandon(struct control **pointer)
{
    struct control *control = *pointer;

    while (!list_is_empty(&control->clients)) {
        struct control_client *client = first_client(control);
        list_remove(&client->node);
        close(client->fd);
        buffer_clear(&client->answer);
        free(client);
    }
    control_doors_abandon(&control->doors);
    free(control);
    *pointer = NULL;
}
