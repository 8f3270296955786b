/*
 * sink — a file that many parts of the process append lines to, without ever waiting for it.
 *
 * A line goes into a bounded queue; one thread per process, which serves all sinks, writes the
 * queues out every 50 ms, sooner when one is half full. What does not fit is dropped and
 * counted. Lines keep their order, are never torn by other lines of this process, nor by
 * those of other processes as far as line_output can. While no thread runs (command
 * line, start-up, just after a fork) a line is written at once.
 *
 * One table of sinks and one thread per process, so they are a static that is not const.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define SINK_QUEUE_BYTES_MAX 1048576
#define SINK_ERROR_BYTES     512
/* Different files that may be open at once. */
#define SINKS_MAX 64

struct sink;

/*
 * `path` is a file's, which is appended to and made with mode 0640 if missing, or "stdout" or
 * "stderr". The same path gives the same sink; each open needs its release. NULL with the reason
 * in `error` when the file cannot be opened or SINKS_MAX is reached.
 */
struct sink *sink_open(const char *path, char error[SINK_ERROR_BYTES]);
/* What is queued is still written; the last release closes the file. Clears `*sink`. */
void sink_release(struct sink **sink);

/* Appends `line` with a line feed. False when it was dropped. May be called by any thread. */
bool sink_write(struct sink *sink, struct slice line);
/* Lines dropped since the sink was opened: queue full, disk full, reader gone. */
uint64_t sink_dropped(struct sink *sink);
/* By all sinks of this process together, those that are closed by now too; without standard
 * error's.
 */
uint64_t sinks_dropped(void);

/*
 * Starts this process's thread (again after each fork; a second start is ignored). `report` is told
 * by the thread what went wrong with a file; it may call sink_write().
 */
void sinks_start(void (*report)(const char *text));
/*
 * Ends the thread after all is written, or two seconds later: a reader that stalls does not hold
 * up an exit.
 */
void sinks_stop(void);
/*
 * Opens all files anew, after what was queued before: what follows goes to the new ones (log
 * rotation).
 */
void sinks_reopen(void);
/*
 * From the handler of a fatal signal: writes what waits, without taking turns with the thread.
 * Best effort.
 */
void sinks_rescue(void);
