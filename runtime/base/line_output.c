/*
 * line_output — portions of whole lines, and what happens when one does not go through.
 */
#include "base/line_output.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

void line_output_init(struct line_output *output, int fd)
{
    struct stat status;
    *output = (struct line_output){.fd = fd};
    output->is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static size_t count_lines(struct slice lines)
{
    size_t count = 0;
    while (lines.length > 0) {
        size_t end = slice_find(lines, '\n');
        lines = slice_after(lines, end < lines.length ? end + 1 : end);
        count++;
    }
    return count;
}

/* As many whole lines as the kernel keeps together, or one that is too long for that. */
static struct slice next_portion(const struct line_output *output, struct slice lines)
{
    if (output->is_file || lines.length <= PIPE_BUF)
        return lines;
    const char *last = memrchr(lines.start, '\n', PIPE_BUF);
    size_t end = last != NULL ? (size_t)(last - lines.start) : slice_find(lines, '\n');
    return slice_of(lines.start, end < lines.length ? end + 1 : end);
}

/* Bytes written, 0 when `patience` has run out, -1 on failure. */
static ssize_t write_patiently(const struct line_output *output, struct slice bytes, int patience)
{
    struct pollfd poll_fd = {.fd = output->fd, .events = POLLOUT};

    for (;;) {
        if (!output->is_file && poll(&poll_fd, 1, patience) == 0)
            return 0;
        ssize_t written = write(output->fd, bytes.start, bytes.length);
        if (written >= 0)
            return written;
        if (errno != EINTR && errno != EAGAIN)
            return -1;
    }
}

/* Ends the line that a failed write left behind, so that the next one stands alone. */
static void mend(struct line_output *output, int patience)
{
    if (output->is_torn && write_patiently(output, SLICE("\n"), patience) == 1)
        output->is_torn = output->is_mid_line = false;
}

size_t line_output_write(struct line_output *output, struct buffer *lines, int patience)
{
    mend(output, patience);
    while (buffer_length(lines) > 0) {
        struct slice portion = next_portion(output, buffer_slice(lines));
        ssize_t written = write_patiently(output, portion, patience);
        if (written == 0)
            return 0;
        if (written < 0) {
            size_t lost = count_lines(buffer_slice(lines));
            buffer_clear(lines);
            output->is_torn = output->is_mid_line;
            return lost;
        }
        assert((size_t)written <= portion.length);
        output->is_mid_line = portion.start[written - 1] != '\n';
        buffer_consume(lines, (size_t)written);
    }
    return 0;
}
