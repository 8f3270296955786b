/*
 * descriptor — a file descriptor that may not be there: -1 says that it is not.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* Without these the bytes of memory could change, or go, while they are read. */
#define DESCRIPTOR_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Closes the one that is there; it is -1 afterwards. */
static inline void descriptor_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Of a memfd that allows it, -1: none; `is_written`: whether what was to go into it did, so that it
 * is mapped for writing no longer. It is sealed then, or closed, and -1 with errno. */
static inline int descriptor_sealed(int fd, bool is_written)
{
    if (fd < 0 || (is_written && fcntl(fd, F_ADD_SEALS, DESCRIPTOR_SEALS | F_SEAL_SEAL) == 0))
        return fd;
    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

/* Whether its bytes stay what they are, whoever else has it. */
static inline bool descriptor_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & DESCRIPTOR_SEALS) == DESCRIPTOR_SEALS;
}
