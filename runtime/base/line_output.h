/*
 * line_output — writes whole lines to a descriptor that others write to as well.
 *
 * A file gets everything in one write, which O_APPEND makes one piece. A pipe or a terminal
 * gets whole lines of at most PIPE_BUF bytes at a time, which the kernel does not mix with
 * other writers' (pipe(7)); only a line longer than that may be torn by another process.
 */
#pragma once

#include "base/buffer.h"

struct line_output {
    int fd;
    bool is_file;     /* never waits, as far as poll() knows */
    bool is_mid_line; /* the last write ended inside of a line */
    bool is_torn;     /* and the rest of that line is lost */
};

void line_output_init(struct line_output *output, int fd);

/*
 * Takes off `lines`, which end with a line feed, what could be written, waiting for a slow reader
 * up to `patience` milliseconds. What is left then is to be tried again. When writing
 * fails (disk full, reader gone) all are taken off; returns how many lines were lost.
 */
size_t line_output_write(struct line_output *output, struct buffer *lines, int patience);
