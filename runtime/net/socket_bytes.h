/*
 * socket_bytes — recv() and send() without what glibc adds.
 *
 * There they are cancellation points: in a process that has ever had a second thread, each call
 * costs two atomic operations and some sixty instructions more. Nobody here cancels threads.
 */
#pragma once

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitisers look at the buffers of the functions they know. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SOCKET_BYTES_BY_LIBRARY 1
#else
#define SOCKET_BYTES_BY_LIBRARY 0
#endif

/* As recv(), but not interrupted by signals. */
static inline ssize_t socket_receive(int fd, void *bytes, size_t bytes_max, int flags)
{
    ssize_t count;

    do
        count = SOCKET_BYTES_BY_LIBRARY
                    ? recv(fd, bytes, bytes_max, flags)
                    : syscall(SYS_recvfrom, fd, bytes, bytes_max, flags, NULL, NULL);
    while (count < 0 && errno == EINTR);
    return count;
}

/* As send(), but not interrupted by signals, and raising none: `flags` and MSG_NOSIGNAL. */
static inline ssize_t socket_send(int fd, const void *bytes, size_t length, int flags)
{
    ssize_t count;

    do
        count = SOCKET_BYTES_BY_LIBRARY ? send(fd, bytes, length, flags | MSG_NOSIGNAL)
                                        : syscall(SYS_sendto, fd, bytes, length,
                                                  flags | MSG_NOSIGNAL, NULL, (socklen_t)0);
    while (count < 0 && errno == EINTR);
    return count;
}

/* The same for several pieces. */
static inline ssize_t socket_send_vectors(int fd, const struct msghdr *message, int flags)
{
    ssize_t count;

    do
        count = SOCKET_BYTES_BY_LIBRARY ? sendmsg(fd, message, flags | MSG_NOSIGNAL)
                                        : syscall(SYS_sendmsg, fd, message, flags | MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    return count;
}
