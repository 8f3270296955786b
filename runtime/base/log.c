/*
 * log — levels, and the way of a line to the sink on standard error.
 */
#include "base/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log_line.h"
#include "base/sink.h"

static struct {
    atomic_int level, format;
    char process[32];
    struct sink *sink;
    pthread_once_t once;
    atomic_uint_fast64_t dropped_reported;
} state = {.level = LOG_INFO, .format = LOG_TEXT, .once = PTHREAD_ONCE_INIT};

void log_configure(enum log_level level, enum log_format format)
{
    atomic_store_explicit(&state.level, (int)level, memory_order_relaxed);
    atomic_store_explicit(&state.format, (int)format, memory_order_relaxed);
}

bool log_level_from_name(struct slice name, enum log_level *level)
{
    for (int candidate = LOG_DEBUG; candidate <= LOG_ERROR; candidate++) {
        if (slice_equals(name, slice_from_string(log_level_name((enum log_level)candidate)))) {
            *level = (enum log_level)candidate;
            return true;
        }
    }
    return false;
}

void log_set_process(const char *name)
{
    snprintf(state.process, sizeof(state.process), "%s", name);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&state.level, memory_order_relaxed);
}

/*
 * Standard error is open already: this cannot fail, unless SINKS_MAX files came before the first
 * line.
 */
static void open_sink(void)
{
    char error[SINK_ERROR_BYTES];
    state.sink = sink_open("stderr", error);
    if (state.sink == NULL)
        fprintf(stderr, "moongate: %s\n", error);
}

static struct sink *log_sink(void)
{
    pthread_once(&state.once, open_sink);
    return state.sink;
}

static struct slice format_line(enum log_level level, struct slice request_id, struct slice message,
                                char line[LOG_LINE_BYTES_MAX])
{
    struct log_entry entry = {
        .format = (enum log_format)atomic_load_explicit(&state.format, memory_order_relaxed),
        .level = level,
        .process = state.process,
        .message = message,
        .request = request_id,
    };
    clock_gettime(CLOCK_REALTIME, &entry.time);
    return log_line_format(&entry, line);
}

/*
 * A line that says how many were dropped and not reported yet, if any. They count as reported by
 * the caller now.
 */
static struct slice take_dropped(char line[LOG_LINE_BYTES_MAX], uint64_t *taken)
{
    char text[64];
    uint64_t dropped = log_dropped();
    uint64_t reported = atomic_load(&state.dropped_reported);

    *taken = 0;
    if (dropped == reported ||
        !atomic_compare_exchange_strong(&state.dropped_reported, &reported, dropped))
        return SLICE_NONE;
    *taken = dropped - reported;
    int length = snprintf(text, sizeof(text), "%llu log lines were dropped here",
                          (unsigned long long)*taken);
    return format_line(LOG_WARNING, SLICE_NONE, slice_of(text, (size_t)length), line);
}

/*
 * What was dropped is reported together with the line that finds room again, so that neither
 * stands without the other.
 */
static void write_line(enum log_level level, struct slice request_id, struct slice message)
{
    char lines[2 * LOG_LINE_BYTES_MAX];
    uint64_t taken;
    struct sink *sink = log_sink();

    if (sink == NULL)
        return;
    size_t length = take_dropped(lines, &taken).length;
    if (length > 0)
        lines[length++] = '\n';
    assert(length <= LOG_LINE_BYTES_MAX);
    length += format_line(level, request_id, message, lines + length).length;
    if (!sink_write(sink, slice_of(lines, length)))
        atomic_fetch_sub(&state.dropped_reported, taken);
}

static void log_write_list(enum log_level level, struct slice request_id, const char *format,
                           va_list arguments)
{
    char message[LOG_LINE_BYTES_MAX];

    int length = vsnprintf(message, sizeof(message), format, arguments);
    if (length < 0)
        length = snprintf(message, sizeof(message), "%s", format);
    /* One byte too many is kept, so that the line is marked as cut. */
    size_t kept = (size_t)length < sizeof(message) ? (size_t)length : sizeof(message);
    write_line(level, request_id, slice_of(message, kept));
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list arguments;

    if (!log_is_on(level))
        return;
    va_start(arguments, format);
    log_write_list(level, SLICE_NONE, format, arguments);
    va_end(arguments);
}

void log_write_request(enum log_level level, struct slice request_id, const char *format, ...)
{
    va_list arguments;

    if (!log_is_on(level))
        return;
    va_start(arguments, format);
    log_write_list(level, request_id, format, arguments);
    va_end(arguments);
}

uint64_t log_dropped(void)
{
    struct sink *sink = log_sink();
    return sink != NULL ? sink_dropped(sink) : 0;
}

static void report_sink_failure(const char *text)
{
    log_write(LOG_ERROR, "%s", text);
}

void log_start(void)
{
    log_sink();
    sinks_start(report_sink_failure);
}

void log_stop(void)
{
    char line[LOG_LINE_BYTES_MAX];
    uint64_t taken;

    sinks_stop();
    struct slice dropped = take_dropped(line, &taken);
    if (dropped.length > 0)
        sink_write(log_sink(), dropped);
}

void log_rescue(void)
{
    sinks_rescue();
}
