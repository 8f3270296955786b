/*
 * control — accepting clients, handing all of it to another gateway, the end.
 */
#include "server/control.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "server/control_private.h"

/* After accept() has failed for want of descriptors, or while all wait for answers. */
#define PAUSE_SECONDS 0.1

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
            control_client_close(client);
    }
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
        control_client_add(control, fd);
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
            control_client_send_away(client);
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
            control_client_close(first_client(control));
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
