/*
 * listener — accepts in batches, and steps back while there are no descriptors left.
 */
#include "net/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/arrival.h"
#include "net/timeout.h"

/*
 * While descriptors or memory lack; what waits then stays in the socket's queue, for other
 * workers too.
 */
#define PAUSE_SECONDS     0.1
#define COMPLAINT_SECONDS 1
/* Of a listener that retires: whoever connects without end does not keep it for good. */
#define LAST_EVENTS_MAX 64
/* At the latest after so many turns in a row it asks how many connections wait. */
#define ASKS_AFTER_TURNS_MAX 4

struct listener {
    struct arrivals arrivals;
    ev_io readable;
    struct timeout pause;
    void (*retired)(void *data); /* NULL: it does not retire */
    unsigned last_events;        /* while it retires */
    unsigned last_turn;          /* in which it was ready */
    unsigned turns_in_a_row;     /* in which it was ready, since it last asked how many wait */
    unsigned asks_after;         /* so many turns in a row */
    bool is_closed;              /* it accepts nothing any more */
    int reserve_fd; /* given up to accept, and close, one connection when all others are taken */
    uint64_t shed;  /* connections closed that way, since the last complaint */
    double complained_at;
};

/* Errors of the connection that was about to be accepted, not of the socket (accept(2)). */
static bool concerns_connection_only(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM: /* a packet filter's verdict */
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static void complain(struct listener *listener, int error)
{
    double now = loop_monotonic(listener->arrivals.loop);

    if (listener->complained_at > 0 && now - listener->complained_at < COMPLAINT_SECONDS)
        return;
    log_write(LOG_ERROR, "cannot accept connections: %s; %llu were closed", strerrordesc_np(error),
              (unsigned long long)listener->shed);
    listener->complained_at = now;
    listener->shed = 0;
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * Closes the connection that has waited longest: one client learns what is going on, the others
 * wait.
 */
static void shed_one(struct listener *listener)
{
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    int fd = accept4(listener->readable.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        listener->shed++;
    }
    listener->reserve_fd = open_reserve();
}

static void step_back(struct listener *listener, int error)
{
    complain(listener, error);
    ev_io_stop(listener->arrivals.loop->ev, &listener->readable);
    timeout_set(&listener->pause, PAUSE_SECONDS);
}

static void admit(struct listener *listener, int fd, const struct address *peer)
{
    struct arrivals *arrivals = &listener->arrivals;

    if (arrivals->events.may_accept != NULL && !arrivals->events.may_accept(arrivals->data, peer)) {
        close(fd);
        return;
    }
    arrivals_add(arrivals, fd, peer);
}

/* False when there is nothing more to accept for now. */
static bool accept_one(struct listener *listener)
{
    struct address peer = {0};
    struct address socket_peer;
    socklen_t length = sizeof(socket_peer.path);

    int fd =
        accept4(listener->readable.fd, &socket_peer.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && !loop_may_connect(listener->arrivals.loop, fd)) {
        close(fd);
        listener->shed++;
        step_back(listener, EMFILE);
        return false;
    }
    if (fd >= 0) {
        address_from_socket(&socket_peer.any, length, &peer);
        admit(listener, fd, &peer);
        return true;
    }
    if (concerns_connection_only(errno))
        return true;
    int error = errno;
    if (error == EMFILE || error == ENFILE)
        shed_one(listener);
    if (error != EAGAIN)
        step_back(listener, error);
    return false;
}

static void listener_free(struct listener *listener)
{
    ev_io_stop(listener->arrivals.loop->ev, &listener->readable);
    timeout_stop(&listener->pause);
    arrivals_clear(&listener->arrivals);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    free(listener);
}

static void end_if_retired(struct arrivals *arrivals)
{
    struct listener *listener = CONTAINER_OF(arrivals, struct listener, arrivals);
    void (*retired)(void *data) = listener->retired;
    void *data = arrivals->data;

    if (!listener->is_closed || !list_is_empty(&arrivals->pending))
        return;
    listener_free(listener);
    retired(data);
}

/* False when nothing waits. */
static bool accept_some(struct listener *listener, unsigned count_max)
{
    for (unsigned i = 0; i < count_max; i++) {
        if (!accept_one(listener))
            return false;
    }
    return true;
}

static void stop_accepting(struct listener *listener)
{
    listener->is_closed = true;
    ev_io_stop(listener->arrivals.loop->ev, &listener->readable);
    timeout_stop(&listener->pause);
    if (listener->arrivals.events.on_closed != NULL)
        listener->arrivals.events.on_closed(listener->arrivals.data);
    end_if_retired(&listener->arrivals);
}

static bool looks(const struct listener *listener)
{
    return listener->arrivals.options.look_seconds > 0;
}

static void accept_last(struct listener *listener)
{
    bool is_pausing = listener->pause.deadline > 0 && !looks(listener);
    bool has_more = accept_some(listener, LISTENER_ACCEPTS_PER_EVENT) || is_pausing;

    if (has_more && ++listener->last_events < LAST_EVENTS_MAX)
        return;
    stop_accepting(listener);
}

/* How many connections wait; a unix socket does not tell. */
static bool count_waiting(const struct listener *listener, unsigned *count)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (getsockopt(listener->readable.fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return false;
    *count = info.tcpi_unacked;
    return true;
}

/* Whether it is time to ask how many connections wait. */
static bool may_be_more(struct listener *listener)
{
    unsigned turn = ev_iteration(listener->arrivals.loop->ev);
    bool is_next = turn == listener->last_turn + 1;

    listener->last_turn = turn;
    listener->turns_in_a_row = is_next ? listener->turns_in_a_row + 1 : 0;
    return looks(listener) || listener->turns_in_a_row >= listener->asks_after;
}

/* Asking in vain halves how often it asks. */
static void note_asked(struct listener *listener, bool is_in_vain)
{
    unsigned after = is_in_vain ? listener->asks_after * 2 : 1;

    listener->asks_after = after > ASKS_AFTER_TURNS_MAX ? ASKS_AFTER_TURNS_MAX : after;
    listener->turns_in_a_row = 0;
}

/*
 * An accept4() that finds nothing takes as long as one that does, 3.5 us of CPU: it makes a file
 * for the connection first. So one is accepted, which is all there is unless connections come
 * faster than turns. Who is ready in several turns in a row asks how many there are, which takes a
 * third of that; until it does it may leave some for later turns.
 */
static void accept_waiting(struct listener *listener)
{
    struct loop *loop = listener->arrivals.loop;
    unsigned count = 1;
    bool asks = may_be_more(listener);
    bool is_known = !asks || count_waiting(listener, &count);

    if (asks)
        note_asked(listener, is_known && count <= 1);
    if (count == 0 && !looks(listener))
        count = 1; /* it says what is wrong with the socket */
    if (!is_known || count > LISTENER_ACCEPTS_PER_EVENT) {
        double turns = is_known ? (double)count / LISTENER_ACCEPTS_PER_EVENT - 1 : 0;
        if (accept_some(listener, LISTENER_ACCEPTS_PER_EVENT) && turns > loop->turns_behind)
            loop->turns_behind = turns;
        return;
    }
    accept_some(listener, count);
}

/* May free it. */
static void accept_now(struct listener *listener)
{
    struct loop *loop = listener->arrivals.loop;

    if (listener->retired != NULL)
        accept_last(listener);
    else
        accept_waiting(listener);
    loop_flush(loop);
}

static void on_acceptable(struct ev_loop *ev, ev_io *watcher, int events)
{
    accept_now(watcher->data);
}

static void begin_waiting(struct listener *listener)
{
    if (looks(listener))
        timeout_set(&listener->pause, listener->arrivals.options.look_seconds);
    else
        ev_io_start(listener->arrivals.loop->ev, &listener->readable);
}

static void on_pause_over(void *data)
{
    struct listener *listener = data;

    begin_waiting(listener);
    if (looks(listener))
        accept_now(listener);
}

struct listener *listener_create(struct loop *loop, int fd, const struct listener_options *options,
                                 const struct listener_events *events, void *data)
{
    static const int ON = 1;
    assert(fd >= 0);

    /* Connections inherit it, which saves a call for each. A unix socket knows no such thing. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &ON, sizeof(ON));

    struct listener *listener = mem_zeroed(sizeof(*listener));
    listener->arrivals.loop = loop;
    listener->arrivals.options = *options;
    listener->arrivals.events = *events;
    listener->arrivals.data = data;
    listener->arrivals.on_empty = end_if_retired;
    arrivals_init(&listener->arrivals);
    listener->reserve_fd = open_reserve();
    listener->asks_after = 1;
    timeout_init(&listener->pause, loop, on_pause_over, listener);
    ev_io_init(&listener->readable, on_acceptable, fd, EV_READ);
    listener->readable.data = listener;
    begin_waiting(listener);
    return listener;
}

void listener_configure(struct listener *listener, const struct listener_options *options)
{
    listener->arrivals.options = *options;
}

void listener_retire(struct listener **listener, void (*retired)(void *data))
{
    struct listener *retiring = *listener;

    assert(retired != NULL && retiring->retired == NULL);
    *listener = NULL;
    retiring->retired = retired;
    accept_last(retiring);
}

void listener_leave(struct listener **listener, void (*retired)(void *data))
{
    struct listener *leaving = *listener;

    assert(retired != NULL && leaving->retired == NULL);
    *listener = NULL;
    leaving->retired = retired;
    stop_accepting(leaving);
}

void listener_destroy(struct listener **listener)
{
    listener_free(*listener);
    *listener = NULL;
}
