/*
 * descriptor — a file descriptor that may not be there: -1 says that it is not.
 */
#pragma once

#include <unistd.h>

/* Closes the one that is there; it is -1 afterwards. */
static inline void descriptor_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
