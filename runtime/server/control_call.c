/*
 * control_call — finds the socket, sends a line, reads lines of promise and then the answer.
 */
#include "server/control_call.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/control.h"

/* Until the first line: a master that starts reads its configuration meanwhile. */
#define PATIENCE_SECONDS 90.0
/* Added to what was promised. */
#define MARGIN_SECONDS    2.0
#define CONNECT_SECONDS   5
#define ANSWER_BYTES_ROOM ((size_t)4096)
/* While one gateway takes another's place. */
#define CALLS_MAX 5

static enum control_called say(struct buffer *answer, enum control_called how, const char *text)
{
    buffer_clear(answer);
    buffer_append(answer, slice_from_string(text));
    return how;
}

/* Root trusts everybody whom it finds there, others themselves and root. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (geteuid() == 0 || peer.uid == geteuid() || peer.uid == 0);
}

/* The descriptor, or -1 with errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval bound = {.tv_sec = CONNECT_SECONDS};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, CONTROL_PATH_BYTES);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound)) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && is_trusted(fd))
        return fd;
    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

/* The same; `*is_barred`: somebody else's gateway may be there. */
static int connect_in(const struct control_folder *folder, const struct control_names *names,
                      bool *is_barred)
{
    char path[CONTROL_PATH_BYTES];

    if (folder->is_guessable && !control_folder_is_own(folder->path))
        return -1;
    for (size_t i = 0; i < names->count; i++) {
        if (!control_path_of(folder, names->names[i], ".sock", path))
            continue;
        int fd = connect_to(path);
        if (fd >= 0)
            return fd;
        *is_barred |= errno == EACCES || errno == EPERM;
    }
    return -1;
}

static int connect_to_gateway(const char *config_path, bool *is_barred)
{
    struct control_folder folders[CONTROL_FOLDERS_MAX];
    struct control_names names;
    size_t count = control_folders(folders);
    int fd = -1;

    *is_barred = false;
    control_names_init(&names, config_path);
    for (size_t i = 0; i < count && fd < 0; i++)
        fd = connect_in(&folders[i], &names, is_barred);
    return fd;
}

/* Reads a piece; 0 at the end, -1 when there is none in time. */
static ssize_t read_some(int fd, struct buffer *answer, double deadline)
{
    double left = deadline - clock_monotonic();
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    char *room = buffer_reserve(answer, ANSWER_BYTES_ROOM);

    if (room == NULL || poll(&readable, 1, left > 0 ? (int)(left * 1000) + 1 : 0) <= 0)
        return -1;
    ssize_t count = recv(fd, room, ANSWER_BYTES_ROOM, 0);
    if (count > 0)
        buffer_commit(answer, (size_t)count);
    return count;
}

static enum control_called outcome_of(struct slice line)
{
    if (slice_equals(line, SLICE("again")))
        return CONTROL_AGAIN;
    return slice_equals(line, SLICE("done")) ? CONTROL_DONE : CONTROL_FAILED;
}

/* Takes promises off the start; true when the line that follows says how it went. */
static bool take_lines(struct buffer *answer, double *deadline, enum control_called *how)
{
    for (;;) {
        struct slice text = buffer_slice(answer);
        struct slice line = slice_of(text.start, slice_find(text, '\n'));
        if (line.length == text.length)
            return false;
        bool is_promise = slice_starts_with(line, SLICE("wait "));
        if (is_promise) /* the line feed ends the number */
            *deadline = clock_monotonic() + strtod(line.start + 5, NULL) + MARGIN_SECONDS;
        *how = outcome_of(line);
        buffer_consume(answer, line.length + 1);
        if (!is_promise)
            return true;
    }
}

static enum control_called read_answer(int fd, struct buffer *answer)
{
    double deadline = clock_monotonic() + PATIENCE_SECONDS;
    enum control_called how = CONTROL_BROKEN;
    bool is_told = false;
    ssize_t count;

    while ((count = read_some(fd, answer, deadline)) > 0) {
        if (!is_told)
            is_told = take_lines(answer, &deadline, &how);
    }
    if (count < 0)
        return say(answer, CONTROL_BROKEN, "the gateway does not answer");
    if (!is_told)
        return say(answer, CONTROL_BROKEN, "the gateway ended before it answered");
    return how;
}

/* Its length; one that is too long is cut off, and refused there. */
static size_t write_line(char line[CONTROL_REQUEST_BYTES_MAX],
                         const struct control_question *question)
{
    const char *form = question->wants_json ? " json" : question->words != NULL ? " text" : "";
    int length = snprintf(line, CONTROL_REQUEST_BYTES_MAX, "%s%s%s%s\n", question->verb, form,
                          question->words != NULL ? " " : "",
                          question->words != NULL ? question->words : "");
    return length < CONTROL_REQUEST_BYTES_MAX ? (size_t)length : CONTROL_REQUEST_BYTES_MAX;
}

static enum control_called call_once(const char *config_path,
                                     const struct control_question *question, struct buffer *answer)
{
    bool is_barred;
    char line[CONTROL_REQUEST_BYTES_MAX];
    size_t length = write_line(line, question);
    int fd = connect_to_gateway(config_path, &is_barred);

    if (fd < 0 && is_barred)
        return say(answer, CONTROL_BROKEN,
                   "the gateway's control socket is another user's: ask as that user or as root");
    if (fd < 0)
        return say(answer, CONTROL_NOBODY, "no gateway runs with this configuration");
    enum control_called how =
        send(fd, line, length, MSG_NOSIGNAL) == (ssize_t)length
            ? read_answer(fd, answer)
            : say(answer, CONTROL_BROKEN, "the gateway ended before it was asked");
    close(fd);
    return how;
}

enum control_called control_call(const char *config_path, const struct control_question *question,
                                 struct buffer *answer)
{
    enum control_called how = CONTROL_AGAIN;

    buffer_init(answer, CONTROL_ANSWER_BYTES_MAX + 2 * ANSWER_BYTES_ROOM, NULL);
    for (int i = 0; i < CALLS_MAX && how == CONTROL_AGAIN; i++) {
        buffer_clear(answer);
        how = call_once(config_path, question, answer);
    }
    if (how == CONTROL_AGAIN)
        how = say(answer, CONTROL_BROKEN, "another gateway took its place just then: ask again");
    return how;
}
