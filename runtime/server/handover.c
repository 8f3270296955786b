/*
 * handover — a table of words, each with whoever sends it and whoever takes it in.
 */
#include "server/handover.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/mem.h"
#include "server/channel.h"
#include "server/handover_word.h"

#define TEXT_BYTES 128
#define END        "end"
#define DOOR_FDS   2

static bool tell_history(const struct channel *channel, const struct handover *handover)
{
    char text[TEXT_BYTES];
    int length = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64,
                          handover->generation, handover->succeeded, handover->failed);

    return handover_word_send(channel, "history", slice_of(text, (size_t)length), NULL, 0);
}

static bool tell_drain(const struct channel *channel, const struct handover *handover)
{
    char text[TEXT_BYTES];
    int length = snprintf(text, sizeof(text), "%.0f", handover->drain_seconds * 1000);

    return handover_word_send(channel, "drain", slice_of(text, (size_t)length), NULL, 0);
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
        struct slice address = slice_from_string(handover->plan.listeners[listener].address);
        if (!handover_word_send(channel, is_first ? "listener" : "sockets",
                                is_first ? address : SLICE(""), fds + sent, some))
            return false;
        sent += some;
    }
    return true;
}

static bool tell_door(const struct channel *channel, const struct control_door *door)
{
    const int fds[DOOR_FDS] = {door->lock_fd, door->fd};
    return handover_word_send(channel, "door", slice_from_string(door->path), fds, DOOR_FDS);
}

bool handover_send(const struct handover *handover, const struct channel *channel)
{
    struct slice tickets = slice_of((const char *)handover->tickets, sizeof(handover->tickets));
    struct slice side = handover->side == 0 ? SLICE("0") : SLICE("1");
    bool is_sent = handover_word_send(channel, "memory", side, &handover->memory_fd, 1) &&
                   handover_word_send(channel, "lifeline", SLICE(""), &handover->lifeline_fd, 1) &&
                   handover_word_send(channel, "tickets", tickets, NULL, 0) &&
                   tell_history(channel, handover) && tell_drain(channel, handover);

    for (size_t i = 0; i < handover->sockets.count; i++)
        is_sent = is_sent && tell_listener(channel, handover, i);
    for (size_t i = 0; i < handover->doors.count; i++)
        is_sent = is_sent && tell_door(channel, &handover->doors.doors[i]);
    return is_sent && handover_word_send(channel, END, SLICE(""), NULL, 0);
}

/* False: it is not as it should be. */
typedef bool take_word(struct handover *handover, struct slice rest,
                       struct channel_message *message);

static bool take_memory(struct handover *handover, struct slice rest,
                        struct channel_message *message)
{
    handover->memory_fd = channel_message_take(message, 0);
    handover->side = slice_equals(rest, SLICE("1"));
    return true;
}

static bool take_lifeline(struct handover *handover, struct slice rest,
                          struct channel_message *message)
{
    handover->lifeline_fd = channel_message_take(message, 0);
    return true;
}

/* One of another length is of another kind: sessions begin anew. */
static bool take_tickets(struct handover *handover, struct slice rest,
                         struct channel_message *message)
{
    handover->has_tickets = rest.length == sizeof(handover->tickets);
    if (handover->has_tickets)
        memcpy(handover->tickets, rest.start, rest.length);
    return true;
}

static bool take_history(struct handover *handover, struct slice rest,
                         struct channel_message *message)
{
    uint64_t *numbers[] = {&handover->generation, &handover->succeeded, &handover->failed};

    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        size_t length = slice_find(rest, ' ');
        if (!slice_to_uint64(slice_of(rest.start, length), numbers[i]))
            return false;
        rest = slice_after(rest, length < rest.length ? length + 1 : length);
    }
    return true;
}

static bool take_drain(struct handover *handover, struct slice rest,
                       struct channel_message *message)
{
    uint64_t milliseconds = 0;
    bool is_number = slice_to_uint64(rest, &milliseconds);

    handover->drain_seconds = (double)milliseconds / 1000;
    return is_number;
}

/* False when it does not fit. */
static bool copy(char *into, size_t room, struct slice text)
{
    if (text.length >= room)
        return false;
    memcpy(into, text.start, text.length);
    into[text.length] = '\0';
    return true;
}

static bool take_listener(struct handover *handover, struct slice rest,
                          struct channel_message *message)
{
    if (message->fd_count == 0 || handover->plan.listener_count == PLAN_LISTENERS_MAX)
        return false;
    struct plan_listener *listener = &handover->plan.listeners[handover->plan.listener_count++];
    sockets_inherit(&handover->sockets, message->fds, message->fd_count);
    message->fd_count = 0;
    return copy(listener->address, sizeof(listener->address), rest);
}

/* More of the listener that came last. */
static bool take_sockets(struct handover *handover, struct slice rest,
                         struct channel_message *message)
{
    if (handover->sockets.count == 0)
        return false;
    sockets_inherit_more(&handover->sockets, message->fds, message->fd_count);
    message->fd_count = 0;
    return true;
}

static bool take_door(struct handover *handover, struct slice rest, struct channel_message *message)
{
    if (message->fd_count != DOOR_FDS || handover->doors.count == CONTROL_NAMES_MAX)
        return false;
    struct control_door *door = &handover->doors.doors[handover->doors.count++];
    *door = (struct control_door){.lock_fd = channel_message_take(message, 0),
                                  .fd = channel_message_take(message, 1)};
    return copy(door->path, sizeof(door->path), rest) && control_door_name_lock(door);
}

static const struct word {
    struct slice name;
    take_word *take;
} WORDS[] = {
    {SLICE("memory"), take_memory},     {SLICE("lifeline"), take_lifeline},
    {SLICE("tickets"), take_tickets},   {SLICE("history"), take_history},
    {SLICE("listener"), take_listener}, {SLICE("sockets"), take_sockets},
    {SLICE("door"), take_door},         {SLICE("drain"), take_drain},
};

static bool take(struct handover *handover, struct channel_message *message, bool *is_end)
{
    struct slice name, rest;

    if (!handover_word_read(message, &name, &rest))
        return false;
    *is_end = slice_equals(name, SLICE(END));
    for (size_t i = 0; i < ARRAY_LENGTH(WORDS); i++) {
        if (slice_equals(name, WORDS[i].name))
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

void handover_clear(struct handover *handover)
{
    sockets_close(&handover->sockets);
    control_doors_abandon(&handover->doors);
    descriptor_close(&handover->memory_fd);
    descriptor_close(&handover->lifeline_fd);
}
