/*
 * deputies — the next worker that is there itself is sent copies of the sockets.
 */
#include "server/deputies.h"

#include <stdlib.h>

#include "base/mem.h"
#include "server/channel.h"
#include "server/sockets.h"
#include "server/workforce.h"

#define NOBODY UINT32_MAX

struct deputies_case {
    bool is_away;
    unsigned deputy; /* NOBODY: there is none */
};

static unsigned worker_count(const struct deputies *deputies)
{
    return deputies->options.workforce->options.count;
}

void deputies_init(struct deputies *deputies, const struct deputies_options *options)
{
    *deputies = (struct deputies){.options = *options};
    deputies->cases = mem_zeroed_array(worker_count(deputies), sizeof(*deputies->cases));
    for (unsigned i = 0; i < worker_count(deputies); i++)
        deputies->cases[i].deputy = NOBODY;
}

void deputies_clear(struct deputies *deputies)
{
    free(deputies->cases);
    *deputies = (struct deputies){0};
}

/* A unix socket is everybody's already. */
static void add_sockets(const struct sockets *sockets, size_t listener, unsigned worker,
                        struct channel_message *message, char *listeners)
{
    int fd;

    if (sockets_is_common(sockets, listener))
        return;
    for (unsigned nth = 0; message->fd_count < CHANNEL_FDS_MAX; nth++) {
        if ((fd = sockets_fd(sockets, listener, worker, nth)) < 0)
            return;
        listeners[message->fd_count] = (char)listener;
        message->fds[message->fd_count++] = fd;
    }
}

static bool send_to(const struct deputies *deputies, unsigned worker, unsigned deputy)
{
    const struct sockets *sockets = deputies->options.sockets;
    char text[1 + CHANNEL_FDS_MAX] = {(char)worker};
    struct channel_message message = {
        .kind = CHANNEL_DEPUTIZE, .ok = true, .generation = *deputies->options.generation};

    for (size_t i = 0; i < sockets->count; i++)
        add_sockets(sockets, i, worker, &message, text + 1);
    message.text = slice_of(text, 1 + message.fd_count);
    return workforce_send(deputies->options.workforce, deputy, &message);
}

static bool is_fit(const struct deputies *deputies, unsigned worker)
{
    return workforce_is_ready(deputies->options.workforce, worker) &&
           !deputies->cases[worker].is_away;
}

static void appoint(struct deputies *deputies, unsigned worker)
{
    unsigned count = worker_count(deputies);

    for (unsigned i = 1; i < count; i++) {
        unsigned deputy = (worker + i) % count;
        if (is_fit(deputies, deputy) && send_to(deputies, worker, deputy)) {
            deputies->cases[worker].deputy = deputy;
            return;
        }
    }
}

static void relieve(struct deputies *deputies, unsigned worker)
{
    char text = (char)worker;
    const struct channel_message message = {
        .kind = CHANNEL_RELIEVE, .ok = true, .text = slice_of(&text, 1)};

    workforce_send(deputies->options.workforce, deputies->cases[worker].deputy, &message);
    deputies->cases[worker].deputy = NOBODY;
}

static bool has_deputy(const struct deputies *deputies, unsigned worker)
{
    return deputies->cases[worker].deputy != NOBODY;
}

void deputies_note(struct deputies *deputies, unsigned worker, bool is_away)
{
    deputies->cases[worker].is_away = is_away;
    if (is_away && !has_deputy(deputies, worker))
        appoint(deputies, worker);
    else if (!is_away && has_deputy(deputies, worker))
        relieve(deputies, worker);
}

void deputies_on_death(struct deputies *deputies, unsigned worker)
{
    deputies_note(deputies, worker, true);
    for (unsigned i = 0; i < worker_count(deputies); i++) {
        if (deputies->cases[i].deputy != worker)
            continue;
        deputies->cases[i].deputy = NOBODY;
        appoint(deputies, i);
    }
}

void deputies_renew(struct deputies *deputies)
{
    for (unsigned i = 0; i < worker_count(deputies); i++) {
        if (has_deputy(deputies, i))
            relieve(deputies, i);
        if (deputies->cases[i].is_away)
            appoint(deputies, i);
    }
}
