/*
 * log_line — one line of the log, as text or JSON.
 *
 * Whatever the message holds, the result is one line of valid UTF-8 without control characters:
 * those and bytes that are not UTF-8 are written as \n, \x1b, \u0085 or \xff. Cut, with "..." in
 * place of the rest, where it would exceed LOG_LINE_BYTES_MAX.
 */
#pragma once

#include <time.h>

#include "base/log.h"
#include "base/slice.h"

#define LOG_LINE_BYTES_MAX 8192
/* Of a request's id, whose text may come from a client, so many bytes are shown. */
#define LOG_REQUEST_BYTES_MAX 128

struct log_entry {
    enum log_format format;
    enum log_level level;
    struct timespec time; /* since the epoch */
    const char *process;  /* at most 31 bytes; empty: not shown */
    struct slice message;
    struct slice request; /* empty: not shown */
};

/* Writes to and returns a slice of `line`, without a line feed. */
struct slice log_line_format(const struct log_entry *entry, char line[LOG_LINE_BYTES_MAX]);

const char *log_level_name(enum log_level level);
