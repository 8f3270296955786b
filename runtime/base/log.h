/*
 * log — what the gateway says about itself, on standard error, as text or JSON.
 *
 * Never blocks the event loop: after log_start() lines go into a bounded queue
 * that a thread of its own writes out; what does not fit is dropped and counted,
 * and the count is logged when there is room again. Before log_start() (command
 * line, start-up) lines are written at once. Secrets never go into a log line:
 * that is the caller's duty; control characters are escaped here, and a line is
 * cut at 8 KiB. Any thread may write; each thread's lines keep their order.
 *
 *     2026-11-23T04:45:04.123Z info [worker 1] message request=ID
 *     {"time":"...","level":"info","process":"worker 1","message":"...","request":"ID"}
 *
 * One log per process, so its state is a static that is not const.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/* What is below `level` is not logged. Defaults: LOG_INFO, LOG_TEXT. */
void log_configure(enum log_level level, enum log_format format);
/* "debug", "info", "warning", "error"; false when unknown. */
bool log_level_from_name(struct slice name, enum log_level *level);
/* Says which process is speaking ("master", "worker 1"); copied, at most 31 bytes. */
void log_set_process(const char *name);

/* Starts the writing thread of this process, which serves sinks too (again after each fork). */
void log_start(void);
/*
 * Stops it after all is written, or after two seconds if a reader stalls. Lines are written at
 * once from then on.
 */
void log_stop(void);
/*
 * From the handler of a fatal signal: writes what waits. Best effort; nothing else may follow but
 * the end.
 */
void log_rescue(void);

bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3))) COLD;
/* The same with the id of the request it is about: `request=ID` in text, "request" in JSON. */
void log_write_request(enum log_level level, struct slice request_id, const char *format, ...)
    __attribute__((format(printf, 3, 4))) COLD;
/* Lines for standard error dropped since the start of the process. */
uint64_t log_dropped(void);
