/*
 * sink — the table of open files, their queues of lines, and writing these out.
 */
#include "base/sink.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/line_output.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/writer_thread.h"

/* How long a slow reader of one sink may hold up the others, and a process without thread. */
#define PATIENCE_MILLISECONDS       10
#define PATIENCE_ALONE_MILLISECONDS 1000

struct sink {
    struct list node;
    char *path;
    unsigned references; /* 0: the thread closes it once it is written */
    struct line_output output;
    struct buffer waiting; /* appended to */
    struct buffer writing; /* the thread's, or empty */
    bool reopen;
    uint64_t dropped;
};

/* The thread's mutex guards all but `output` and `writing`, and is held for a copy at most. */
static struct {
    struct writer_thread thread;
    struct list sinks;
    size_t count;
    uint64_t dropped; /* by all but standard error's */
    void (*report)(const char *text);
} writer;

static void lock(void)
{
    writer_thread_lock(&writer.thread);
}

static void unlock(void)
{
    writer_thread_unlock(&writer.thread);
}

/* O_NONBLOCK: a named pipe that nobody reads is an error, not a wait. */
static int open_file(const char *path)
{
    if (strcmp(path, "stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "stderr") == 0)
        return STDERR_FILENO;
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

static void close_file(int fd)
{
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO)
        close(fd);
}

static struct sink *find(const char *path)
{
    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = node->next) {
        struct sink *sink = CONTAINER_OF(node, struct sink, node);
        if (strcmp(sink->path, path) == 0)
            return sink;
    }
    return NULL;
}

static struct sink *create(const char *path, char error[SINK_ERROR_BYTES])
{
    if (writer.count == SINKS_MAX) {
        snprintf(error, SINK_ERROR_BYTES, "cannot open %s: more than %d log files", path,
                 SINKS_MAX);
        return NULL;
    }
    int fd = open_file(path);
    if (fd < 0) {
        snprintf(error, SINK_ERROR_BYTES, "cannot open %s: %m", path);
        return NULL;
    }
    struct sink *sink = mem_zeroed(sizeof(*sink));
    sink->path = mem_alloc(strlen(path) + 1);
    memcpy(sink->path, path, strlen(path) + 1);
    line_output_init(&sink->output, fd);
    buffer_init(&sink->waiting, SINK_QUEUE_BYTES_MAX, NULL);
    buffer_init(&sink->writing, SINK_QUEUE_BYTES_MAX, NULL);
    list_push_back(&writer.sinks, &sink->node);
    writer.count++;
    return sink;
}

static void destroy(struct sink *sink)
{
    assert(sink->references == 0);
    list_remove(&sink->node);
    writer.count--;
    close_file(sink->output.fd);
    buffer_clear(&sink->waiting);
    buffer_clear(&sink->writing);
    free(sink->path);
    free(sink);
}

static void count_dropped(struct sink *sink, uint64_t lines)
{
    sink->dropped += lines;
    if (sink->output.fd != STDERR_FILENO)
        writer.dropped += lines;
}

static bool enqueue(struct sink *sink, struct slice line)
{
    size_t before = buffer_length(&sink->waiting);
    char *room =
        line.length < SINK_QUEUE_BYTES_MAX ? buffer_reserve(&sink->waiting, line.length + 1) : NULL;
    if (room == NULL) {
        count_dropped(sink, 1);
        return false;
    }
    memcpy(room, line.start, line.length);
    room[line.length] = '\n';
    buffer_commit(&sink->waiting, line.length + 1);
    if (writer.thread.is_running) {
        size_t half = SINK_QUEUE_BYTES_MAX / 2;
        writer_thread_wake(&writer.thread, before < half && before + line.length + 1 >= half);
    }
    return true;
}

bool sink_write(struct sink *sink, struct slice line)
{
    lock();
    bool accepted = enqueue(sink, line);
    if (accepted && !writer.thread.is_running) {
        size_t lost = line_output_write(&sink->output, &sink->waiting, PATIENCE_ALONE_MILLISECONDS);
        accepted = lost == 0;
        count_dropped(sink, lost);
    }
    unlock();
    return accepted;
}

uint64_t sink_dropped(struct sink *sink)
{
    lock();
    uint64_t dropped = sink->dropped;
    unlock();
    return dropped;
}

uint64_t sinks_dropped(void)
{
    lock();
    uint64_t dropped = writer.dropped;
    unlock();
    return dropped;
}

/* Without the mutex: opening a file may take its time. */
static void reopen(struct sink *sink)
{
    char text[SINK_ERROR_BYTES];
    int fd = open_file(sink->path);

    if (fd < 0) {
        snprintf(text, sizeof(text), "cannot reopen %s: %m; the old file stays", sink->path);
        if (writer.report != NULL)
            writer.report(text);
        return;
    }
    int old = sink->output.fd;
    line_output_init(&sink->output, fd);
    close_file(old);
}

/* With the mutex, which is given up meanwhile. Whether something is left to be written. */
static bool write_out(struct sink *sink)
{
    bool must_reopen = false;

    if (buffer_length(&sink->writing) == 0) {
        struct buffer empty = sink->writing;
        sink->writing = sink->waiting;
        sink->waiting = empty;
        must_reopen = sink->reopen;
        sink->reopen = false;
    }
    unlock();
    size_t lost = line_output_write(&sink->output, &sink->writing, PATIENCE_MILLISECONDS);
    bool is_left = buffer_length(&sink->writing) > 0;
    if (must_reopen && !is_left)
        reopen(sink);
    lock();
    if (must_reopen && is_left)
        sink->reopen = true;
    count_dropped(sink, lost);
    return is_left || buffer_length(&sink->waiting) > 0;
}

/* With the mutex. Only this thread removes sinks while it runs, so the next one stays. */
static bool write_all_out(void)
{
    bool is_left = false;
    struct list *next;

    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = next) {
        struct sink *sink = CONTAINER_OF(node, struct sink, node);
        bool sink_left = write_out(sink);
        next = node->next;
        if (sink->references == 0 && !sink_left)
            destroy(sink);
        is_left = is_left || sink_left;
    }
    return is_left;
}

/*
 * What is queued is the parent's to write, and its thread was not forked. That thread may
 * have been at work on `writing`, so its storage cannot be trusted, and is not given back.
 */
static void after_fork_in_child(void)
{
    unlock(); /* of whoever forked */
    writer_thread_init(&writer.thread, write_all_out);
    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = node->next) {
        struct sink *sink = CONTAINER_OF(node, struct sink, node);
        buffer_clear(&sink->waiting);
        buffer_init(&sink->writing, SINK_QUEUE_BYTES_MAX, NULL);
    }
}

static void init_writer(void)
{
    list_init(&writer.sinks);
    writer_thread_init(&writer.thread, write_all_out);
    pthread_atfork(lock, unlock, after_fork_in_child);
}

static void init_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_writer);
}

struct sink *sink_open(const char *path, char error[SINK_ERROR_BYTES])
{
    init_once();
    lock();
    struct sink *sink = find(path);
    if (sink == NULL)
        sink = create(path, error);
    if (sink != NULL)
        sink->references++;
    unlock();
    return sink;
}

void sink_release(struct sink **sink)
{
    lock();
    assert((*sink)->references > 0);
    (*sink)->references--;
    if (writer.thread.is_running)
        writer_thread_wake(&writer.thread, false);
    else if ((*sink)->references == 0)
        destroy(*sink);
    unlock();
    *sink = NULL;
}

void sinks_start(void (*report)(const char *text))
{
    init_once();
    lock();
    writer.report = report;
    unlock();
    writer_thread_start(&writer.thread);
}

void sinks_stop(void)
{
    init_once();
    writer_thread_stop(&writer.thread);
}

void sinks_reopen(void)
{
    init_once();
    lock();
    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = node->next)
        CONTAINER_OF(node, struct sink, node)->reopen = true;
    if (writer.thread.is_running)
        writer_thread_wake(&writer.thread, false);
    else
        write_all_out();
    unlock();
}

/* Not through line_output, which frees: this may be a signal that hit malloc(). */
static void rescue(const struct sink *sink, const struct buffer *lines)
{
    struct slice left = buffer_slice(lines);
    while (left.length > 0) {
        ssize_t written = write(sink->output.fd, left.start, left.length);
        if (written <= 0)
            return;
        left = slice_after(left, (size_t)written);
    }
}

void sinks_rescue(void)
{
    if (writer.sinks.next == NULL || pthread_mutex_trylock(&writer.thread.mutex) != 0)
        return;
    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = node->next) {
        struct sink *sink = CONTAINER_OF(node, struct sink, node);
        rescue(sink, &sink->writing);
        rescue(sink, &sink->waiting);
    }
    unlock();
}
