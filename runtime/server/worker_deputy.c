/*
 * worker_deputy — a list of sockets, and whose they are.
 */
#include "server/worker_deputy.h"

#include <stdlib.h>

#include "base/mem.h"
#include "bridge/generation.h"
#include "bridge/plan.h"
#include "gateway/gateway.h"
#include "server/channel.h"

void worker_deputy_init(struct worker_deputy *deputy, struct gateway *gateway)
{
    *deputy = (struct worker_deputy){.gateway = gateway};
}

void worker_deputy_clear(struct worker_deputy *deputy)
{
    free(deputy->sockets);
    deputy->sockets = NULL;
    deputy->count = 0;
}

static unsigned char byte_at(const struct channel_message *message, size_t i)
{
    return (unsigned char)message->text.start[i];
}

static void end_of(struct worker_deputy *deputy, unsigned worker)
{
    size_t kept = 0;

    for (size_t i = 0; i < deputy->count; i++) {
        if (deputy->sockets[i].worker == worker)
            gateway_stop_listening(deputy->gateway, deputy->sockets[i].fd);
        else
            deputy->sockets[kept++] = deputy->sockets[i];
    }
    deputy->count = kept;
}

static void add(struct worker_deputy *deputy, unsigned worker, int fd,
                const struct listen_options *options)
{
    size_t bytes = (deputy->count + 1) * sizeof(*deputy->sockets);

    deputy->sockets = mem_resize(deputy->sockets, bytes);
    deputy->sockets[deputy->count++] = (struct deputized){.worker = worker, .fd = fd};
    gateway_help_listen(deputy->gateway, fd, options);
}

/* The text: the worker, then the listener of each descriptor, a byte each. */
void worker_deputy_begin(struct worker_deputy *deputy, const struct generation *generation,
                         struct channel_message *message)
{
    size_t listener_count = generation_plan(generation)->listener_count;

    if (message->generation != generation_number(generation) || message->text.length < 1)
        return;
    end_of(deputy, byte_at(message, 0));
    for (size_t i = 0; i < message->fd_count && i + 1 < message->text.length; i++) {
        unsigned char listener = byte_at(message, i + 1);
        int fd = listener < listener_count ? channel_message_take(message, i) : -1;
        if (fd >= 0)
            add(deputy, byte_at(message, 0), fd, generation_listener(generation, listener));
    }
}

void worker_deputy_end(struct worker_deputy *deputy, const struct channel_message *message)
{
    if (message->text.length > 0)
        end_of(deputy, byte_at(message, 0));
}

void worker_deputy_end_all(struct worker_deputy *deputy)
{
    for (size_t i = 0; i < deputy->count; i++)
        gateway_stop_listening(deputy->gateway, deputy->sockets[i].fd);
    deputy->count = 0;
}
