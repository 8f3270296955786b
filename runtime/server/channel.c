/*
 * channel — sendmsg and recvmsg, with a header of fixed size before the text.
 */
#include "server/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

/* So that an end may fall behind by some of the longest messages. */
#define SEND_BUFFER_BYTES (4 * CHANNEL_TEXT_BYTES_MAX)

struct header {
    uint32_t kind, is_ok;
    uint64_t generation;
};

struct channel {
    int fd;
    char text[CHANNEL_TEXT_BYTES_MAX]; /* of the last message received */
};

/* Ancillary data, aligned as the system wants it. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

static struct channel *channel_create(int fd)
{
    static const int BYTES = SEND_BUFFER_BYTES;
    struct channel *channel = mem_alloc(sizeof(*channel));

    channel->fd = fd;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &BYTES, sizeof(BYTES));
    return channel;
}

bool channel_create_pair(struct channel *ends[2])
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return false;
    ends[0] = channel_create(fds[0]);
    ends[1] = channel_create(fds[1]);
    return true;
}

struct channel *channel_adopt(int fd)
{
    int type = 0;
    socklen_t length = sizeof(type);
    bool is_channel = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
                      type == SOCK_SEQPACKET && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;

    return is_channel ? channel_create(fd) : NULL;
}

pid_t channel_maker(const struct channel *channel)
{
    struct ucred maker = {0};
    socklen_t length = sizeof(maker);

    getsockopt(channel->fd, SOL_SOCKET, SO_PEERCRED, &maker, &length);
    return maker.pid;
}

void channel_destroy(struct channel **channel)
{
    close((*channel)->fd);
    free(*channel);
    *channel = NULL;
}

int channel_fd(const struct channel *channel)
{
    return channel->fd;
}

static void put_fds(struct msghdr *wire, union control *control,
                    const struct channel_message *message)
{
    size_t bytes = message->fd_count * sizeof(int);

    memset(control, 0, sizeof(*control));
    wire->msg_control = control;
    wire->msg_controllen = CMSG_SPACE(bytes);
    struct cmsghdr *item = CMSG_FIRSTHDR(wire);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(item), message->fds, bytes);
}

struct slice channel_line(struct slice sentence, char text[CHANNEL_TEXT_BYTES_MAX])
{
    size_t room = CHANNEL_TEXT_BYTES_MAX - 1;
    size_t length = sentence.length < room ? sentence.length : room;

    if (length == 0)
        return SLICE("");
    memcpy(text, sentence.start, length);
    text[length] = '\n';
    return slice_of(text, length + 1);
}

bool channel_send(const struct channel *channel, const struct channel_message *message)
{
    size_t length = message->text.length < CHANNEL_TEXT_BYTES_MAX ? message->text.length
                                                                  : CHANNEL_TEXT_BYTES_MAX;
    struct header header = {
        .kind = message->kind, .is_ok = message->ok, .generation = message->generation};
    struct iovec parts[] = {{&header, sizeof(header)}, {(void *)message->text.start, length}};
    struct msghdr wire = {.msg_iov = parts, .msg_iovlen = ARRAY_LENGTH(parts)};
    union control control;
    ssize_t sent;

    assert(message->kind < CHANNEL_KIND_COUNT && message->fd_count <= CHANNEL_FDS_MAX);
    if (message->fd_count > 0)
        put_fds(&wire, &control, message);
    do
        sent = sendmsg(channel->fd, &wire, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* Takes over what came along; more than fits has been closed by the system. */
static void get_fds(struct msghdr *wire, struct channel_message *message)
{
    for (struct cmsghdr *item = CMSG_FIRSTHDR(wire); item != NULL; item = CMSG_NXTHDR(wire, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
            continue;
        size_t bytes = item->cmsg_len - CMSG_LEN(0);
        message->fd_count = bytes / sizeof(int);
        assert(message->fd_count <= CHANNEL_FDS_MAX);
        memcpy(message->fds, CMSG_DATA(item), bytes);
    }
}

enum channel_outcome channel_receive(struct channel *channel, struct channel_message *message)
{
    struct header header;
    struct iovec parts[] = {{&header, sizeof(header)}, {channel->text, sizeof(channel->text)}};
    union control control;
    struct msghdr wire = {.msg_iov = parts,
                          .msg_iovlen = ARRAY_LENGTH(parts),
                          .msg_control = &control,
                          .msg_controllen = sizeof(control)};
    ssize_t received;

    /* Of a reset one is told once, before what the other end has sent: it closed its own with
     * messages of ours unread. */
    do
        received = recvmsg(channel->fd, &wire, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (received < 0 && (errno == EINTR || errno == ECONNRESET));
    if (received <= 0)
        return received < 0 && errno == EAGAIN ? CHANNEL_NOTHING : CHANNEL_CLOSED;
    message->fd_count = 0;
    get_fds(&wire, message);
    bool is_message = (wire.msg_flags & MSG_TRUNC) == 0 && received >= (ssize_t)sizeof(header) &&
                      header.kind < CHANNEL_KIND_COUNT;
    if (!is_message || (wire.msg_flags & MSG_CTRUNC) != 0)
        channel_message_clear(message);
    if (!is_message)
        return CHANNEL_CLOSED;
    message->kind = (enum channel_kind)header.kind;
    message->ok = header.is_ok != 0;
    message->generation = header.generation;
    message->text = slice_of(channel->text, (size_t)received - sizeof(header));
    return CHANNEL_MESSAGE;
}

int channel_message_take(struct channel_message *message, size_t i)
{
    int fd = i < message->fd_count ? message->fds[i] : -1;
    if (fd >= 0)
        message->fds[i] = -1;
    return fd;
}

void channel_message_clear(struct channel_message *message)
{
    for (size_t i = 0; i < message->fd_count; i++) {
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    }
    message->fd_count = 0;
}
