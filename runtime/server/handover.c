/*
 * handover — a table of words, each with whoever sends it and whoever takes it in.
 */
#include "server/handover.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/channel.h"

#define TEXT_BYTES      1024
#define END             "end"
#define DOOR_FDS        2
#define HEX_DIGITS_EACH 2

/* Sends a text, with descriptors. */
static bool tell(const struct channel *channel, const int *fds, size_t count, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

static bool tell(const struct channel *channel, const int *fds, size_t count, const char *format,
                 ...)
{
    char text[TEXT_BYTES];
    struct channel_message message = {.kind = CHANNEL_HANDOVER, .ok = true, .fd_count = count};
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(text))
        return false;
    message.text = slice_of(text, (size_t)length);
    if (count > 0)
        memcpy(message.fds, fds, count * sizeof(*fds));
    return channel_send(channel, &message);
}

/* As many messages as it takes. */
static bool tell_listener(const struct channel *channel, const struct handover *handover,
                          size_t listener)
{
    const int *fds;
    size_t count = sockets_all(&handover->sockets, listener, &fds), sent = 0;

    while (sent < count) {
        size_t some = count - sent < CHANNEL_FDS_MAX ? count - sent : CHANNEL_FDS_MAX;
        bool is_first = sent == 0;
        if (!tell(channel, fds + sent, some, "%s%s", is_first ? "listener " : "sockets",
                  is_first ? handover->plan.listeners[listener].address : ""))
            return false;
        sent += some;
    }
    return true;
}

static bool tell_tickets(const struct channel *channel, const struct handover *handover)
{
    char digits[HEX_DIGITS_EACH * TLS_TICKET_SECRET_BYTES + 1];

    for (size_t i = 0; i < TLS_TICKET_SECRET_BYTES; i++)
        snprintf(digits + HEX_DIGITS_EACH * i, HEX_DIGITS_EACH + 1, "%02x", handover->tickets[i]);
    return !handover->has_tickets || tell(channel, NULL, 0, "tickets %s", digits);
}

static bool tell_door(const struct channel *channel, const struct control_door *door)
{
    const int fds[DOOR_FDS] = {door->lock_fd, door->fd};
    return tell(channel, fds, DOOR_FDS, "door %s", door->path);
}

bool handover_send(const struct handover *handover, const struct channel *channel)
{
    bool is_sent = tell(channel, &handover->memory_fd, 1, "memory %u", handover->side) &&
                   tell(channel, &handover->lifeline_fd, 1, "lifeline") &&
                   tell_tickets(channel, handover) &&
                   tell(channel, NULL, 0, "history %" PRIu64 " %" PRIu64 " %" PRIu64,
                        handover->generation, handover->succeeded, handover->failed);

    for (size_t i = 0; i < handover->sockets.count; i++)
        is_sent = is_sent && tell_listener(channel, handover, i);
    for (size_t i = 0; i < handover->doors.count; i++)
        is_sent = is_sent && tell_door(channel, &handover->doors.doors[i]);
    return is_sent && tell(channel, NULL, 0, END);
}

/* `rest`: the text behind the word, ended by a zero. False: it is not as it should be. */
typedef bool take_word(struct handover *handover, const char *rest,
                       struct channel_message *message);

static bool take_memory(struct handover *handover, const char *rest,
                        struct channel_message *message)
{
    handover->memory_fd = channel_message_take(message, 0);
    return sscanf(rest, "%u", &handover->side) == 1 && handover->side <= 1;
}

static bool take_lifeline(struct handover *handover, const char *rest,
                          struct channel_message *message)
{
    handover->lifeline_fd = channel_message_take(message, 0);
    return handover->lifeline_fd >= 0;
}

static bool take_tickets(struct handover *handover, const char *rest,
                         struct channel_message *message)
{
    if (strlen(rest) != (size_t)HEX_DIGITS_EACH * TLS_TICKET_SECRET_BYTES)
        return true; /* of another kind: sessions begin anew */
    for (size_t i = 0; i < TLS_TICKET_SECRET_BYTES; i++) {
        if (sscanf(rest + HEX_DIGITS_EACH * i, "%2hhx", &handover->tickets[i]) != 1)
            return false;
    }
    handover->has_tickets = true;
    return true;
}

static bool take_history(struct handover *handover, const char *rest,
                         struct channel_message *message)
{
    return sscanf(rest, "%" SCNu64 " %" SCNu64 " %" SCNu64, &handover->generation,
                  &handover->succeeded, &handover->failed) == 3;
}

/* Takes all of them over, for the listener that came last. */
static void take_sockets(struct handover *handover, struct channel_message *message)
{
    sockets_inherit_more(&handover->sockets, message->fds, message->fd_count);
    message->fd_count = 0;
}

static bool take_listener(struct handover *handover, const char *rest,
                          struct channel_message *message)
{
    struct plan_listener *listener = &handover->plan.listeners[handover->plan.listener_count];

    if (message->fd_count == 0 || handover->plan.listener_count == PLAN_LISTENERS_MAX ||
        strlen(rest) >= sizeof(listener->address))
        return false;
    strcpy(listener->address, rest);
    handover->plan.listener_count++;
    sockets_inherit(&handover->sockets, message->fds, message->fd_count);
    message->fd_count = 0;
    return true;
}

static bool take_more_sockets(struct handover *handover, const char *rest,
                              struct channel_message *message)
{
    if (handover->sockets.count == 0)
        return false;
    take_sockets(handover, message);
    return true;
}

static bool take_door(struct handover *handover, const char *rest, struct channel_message *message)
{
    struct control_door *door = &handover->doors.doors[handover->doors.count];

    if (message->fd_count != DOOR_FDS || handover->doors.count == CONTROL_NAMES_MAX ||
        strlen(rest) >= sizeof(door->path))
        return false;
    *door = (struct control_door){.lock_fd = channel_message_take(message, 0),
                                  .fd = channel_message_take(message, 1)};
    strcpy(door->path, rest);
    handover->doors.count++;
    return control_door_name_lock(door);
}

static const struct word {
    const char *name;
    take_word *take;
} WORDS[] = {
    {"memory", take_memory},   {"lifeline", take_lifeline}, {"tickets", take_tickets},
    {"history", take_history}, {"listener", take_listener}, {"sockets", take_more_sockets},
    {"door", take_door},
};

static bool take(struct handover *handover, struct channel_message *message, bool *is_end)
{
    char text[TEXT_BYTES];

    if (message->kind != CHANNEL_HANDOVER || message->text.length >= sizeof(text))
        return false;
    memcpy(text, message->text.start, message->text.length);
    text[message->text.length] = '\0';
    char *rest = text + strcspn(text, " ");
    if (*rest == ' ')
        *rest++ = '\0';
    *is_end = strcmp(text, END) == 0;
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (strcmp(text, WORDS[i].name) == 0)
            return WORDS[i].take(handover, rest, message);
    }
    return true;
}

static bool wait_for_message(const struct channel *channel, double deadline)
{
    struct pollfd readable = {.fd = channel_fd(channel), .events = POLLIN};
    double left = deadline - clock_monotonic();

    return left > 0 && poll(&readable, 1, (int)(left * 1000) + 1) >= 0;
}

bool handover_receive(struct handover *handover, struct channel *channel, double seconds)
{
    double deadline = clock_monotonic() + seconds;
    struct channel_message message;
    bool is_good = true, is_end = false;

    *handover = (struct handover){.memory_fd = -1, .lifeline_fd = -1};
    while (is_good && !is_end) {
        switch (channel_receive(channel, &message)) {
        case CHANNEL_MESSAGE:
            is_good = take(handover, &message, &is_end);
            channel_message_clear(&message);
            break;
        case CHANNEL_NOTHING:
            is_good = wait_for_message(channel, deadline);
            break;
        case CHANNEL_CLOSED:
            is_good = false;
            break;
        }
    }
    return is_good;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void handover_clear(struct handover *handover)
{
    sockets_close(&handover->sockets);
    control_doors_abandon(&handover->doors);
    close_fd(&handover->memory_fd);
    close_fd(&handover->lifeline_fd);
}
