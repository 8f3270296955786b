/*
 * listener_open — opens listening sockets, and says in an operator's words why one cannot be
 * opened.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/listener.h"

#define UNIX_SOCKET_MODE 0660
#define PRIVILEGED_PORTS 1024

static const char *explanation(const struct address *address, int problem)
{
    bool is_path = address->any.sa_family == AF_UNIX;

    switch (problem) {
    case EADDRINUSE:
        return "is in use";
    case EEXIST:
        return "exists already and is not a socket";
    case EADDRNOTAVAIL:
        return "is not an address of this machine";
    case EAFNOSUPPORT:
        return "cannot be listened on: this machine has no IPv6";
    case ENOENT:
    case ENOTDIR:
        return "cannot be made: its directory does not exist";
    case EACCES:
    case EPERM:
        if (is_path)
            return "cannot be made: permission to write to its directory is missing";
        if (address_port(address) < PRIVILEGED_PORTS)
            return "cannot be listened on: ports below 1024 need root or CAP_NET_BIND_SERVICE";
        return "cannot be listened on: permission denied";
    default:
        return NULL;
    }
}

/* -1, for the caller to pass on; closes `fd`. */
static int refuse(const struct address *address, int fd, char error[LISTENER_ERROR_BYTES])
{
    char text[ADDRESS_TEXT_BYTES];
    int problem = errno;
    struct slice name = address_format(address, text);
    const char *known = explanation(address, problem);

    if (known != NULL)
        snprintf(error, LISTENER_ERROR_BYTES, "%.*s %s", SLICE_FORMAT(name), known);
    else
        snprintf(error, LISTENER_ERROR_BYTES, "%.*s cannot be listened on: %s", SLICE_FORMAT(name),
                 strerrordesc_np(problem));
    if (fd >= 0)
        close(fd);
    errno = problem;
    return -1;
}

/*
 * A socket's file that nobody listens on any more, as a killed process leaves it. errno says why
 * not.
 */
static bool is_stale(const struct address *address)
{
    struct stat status;

    if (lstat(address->path.sun_path, &status) != 0)
        return false;
    if (!S_ISSOCK(status.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, &address->any, address->length) != 0 && errno == ECONNREFUSED;
    close(fd);
    errno = EADDRINUSE;
    return refused;
}

static bool bind_path(int fd, const struct address *address)
{
    if (bind(fd, &address->any, address->length) != 0) {
        if (errno != EADDRINUSE || !is_stale(address))
            return false;
        if (unlink(address->path.sun_path) != 0 || bind(fd, &address->any, address->length) != 0)
            return false;
    }
    /* Nobody can connect before listen(), so nobody can profit from the mode until here. */
    return chmod(address->path.sun_path, UNIX_SOCKET_MODE) == 0;
}

static bool bind_port(int fd, const struct address *address, bool reuse_port)
{
    static const int ON = 1, OFF = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &ON, sizeof(ON)) != 0)
        return false;
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &ON, sizeof(ON)) != 0)
        return false;
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address->both_families ? &OFF : &ON,
                   sizeof(int)) != 0)
        return false;
    return bind(fd, &address->any, address->length) == 0;
}

/* The descriptor, or -1 with errno; where it failed later, `*fd_failed` is to be closed. */
static int open_socket(const struct address *address, bool reuse_port, int backlog, int *fd_failed)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *fd_failed = fd;
    if (fd < 0)
        return -1;
    bool is_bound = address->any.sa_family == AF_UNIX ? bind_path(fd, address)
                                                      : bind_port(fd, address, reuse_port);
    return is_bound && (backlog == 0 || listen(fd, backlog) == 0) ? fd : -1;
}

int listener_open(const struct address *address, bool reuse_port, int backlog,
                  char error[LISTENER_ERROR_BYTES])
{
    int fd_failed;
    int fd = open_socket(address, reuse_port, backlog, &fd_failed);

    if (fd < 0 && address->both_families && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        struct address v4 = {.length = sizeof(v4.v4)};
        v4.v4.sin_family = AF_INET;
        v4.v4.sin_port = address->v6.sin6_port;
        if (fd_failed >= 0)
            close(fd_failed);
        fd = open_socket(&v4, reuse_port, backlog, &fd_failed);
    }
    return fd >= 0 ? fd : refuse(address, fd_failed, error);
}
