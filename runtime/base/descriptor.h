/*
 * descriptor — a file descriptor that may not be there: -1 says that it is not.
 */
#pragma once

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

/* Of a memfd that allows it, once it is mapped for writing no longer; false with errno. */
static inline bool descriptor_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, DESCRIPTOR_SEALS | F_SEAL_SEAL) == 0;
}

/* Whether its bytes stay what they are, whoever else has it. */
static inline bool descriptor_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & DESCRIPTOR_SEALS) == DESCRIPTOR_SEALS;
}
