/*
 * file_content — reads until the end is seen: what /proc and pipes say of their size is not true.
 */
#include "base/file_content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define BYTES_FIRST 4096

/* Room for all of it and one byte more, which finds the end, where the file knows its size. */
static size_t first_capacity(int fd, size_t bytes_max)
{
    struct stat file;

    if (fstat(fd, &file) != 0 || file.st_size < BYTES_FIRST)
        return BYTES_FIRST;
    return (size_t)file.st_size < bytes_max ? (size_t)file.st_size + 1 : bytes_max + 1;
}

static int read_all(int fd, size_t bytes_max, char **bytes, size_t *length)
{
    size_t capacity = first_capacity(fd, bytes_max);

    *bytes = mem_alloc(capacity);
    *length = 0;
    for (;;) {
        if (*length == capacity) {
            capacity *= 2;
            *bytes = mem_resize(*bytes, capacity);
        }
        ssize_t count = read(fd, *bytes + *length, capacity - *length);
        if (count == 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return errno;
        *length += count > 0 ? (size_t)count : 0;
        if (*length > bytes_max)
            return EFBIG;
    }
}

int file_content_read(const char *path, size_t bytes_max, char **bytes, size_t *length)
{
    /* Does not wait for somebody who opens a pipe to write; only for what is written then. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return errno;
    fcntl(fd, F_SETFL, 0);
    int error = read_all(fd, bytes_max, bytes, length);
    close(fd);
    if (error != 0) {
        free(*bytes);
        *bytes = NULL;
        *length = 0;
    }
    return error;
}
