/*
 * sink — the queues of lines, and the thread that writes them out.
 */
#include "base/sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/line_output.h"
#include "base/list.h"
#include "base/mem.h"

#define GATHER_MILLISECONDS 50
#define STOP_SECONDS        2
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

/* The mutex guards all but `output` and `writing`, and is held for a copy at most. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    struct list sinks;
    size_t count;
    bool is_running, is_stopping, is_idle, has_work;
    double stop_deadline;
    void (*report)(const char *text);
} writer = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static double monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void lock(void)
{
    pthread_mutex_lock(&writer.mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&writer.mutex);
}

static void init_wake(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

/*
 * What is queued is the parent's to write, and its thread was not forked. That thread may
 * have been at work on `writing`, so its storage cannot be trusted, and is not given back.
 */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&writer.mutex, NULL);
    init_wake();
    writer.is_running = writer.is_stopping = writer.is_idle = writer.has_work = false;
    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = node->next) {
        struct sink *sink = CONTAINER_OF(node, struct sink, node);
        buffer_clear(&sink->waiting);
        buffer_init(&sink->writing, SINK_QUEUE_BYTES_MAX, NULL);
    }
}

static void init_writer(void)
{
    list_init(&writer.sinks);
    init_wake();
    pthread_atfork(lock, unlock, after_fork_in_child);
}

static void init_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_writer);
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

static void close_file(const struct sink *sink)
{
    if (sink->output.fd != STDOUT_FILENO && sink->output.fd != STDERR_FILENO)
        close(sink->output.fd);
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

static void destroy(struct sink *sink)
{
    assert(sink->references == 0);
    list_remove(&sink->node);
    writer.count--;
    close_file(sink);
    buffer_clear(&sink->waiting);
    buffer_clear(&sink->writing);
    free(sink->path);
    free(sink);
}

/* At most one signal per GATHER_MILLISECONDS: a thread that gathers is not idle. */
static void wake(void)
{
    writer.has_work = true;
    if (writer.is_idle)
        pthread_cond_signal(&writer.wake);
}

void sink_release(struct sink **sink)
{
    lock();
    assert((*sink)->references > 0);
    (*sink)->references--;
    if (writer.is_running)
        wake();
    else if ((*sink)->references == 0)
        destroy(*sink);
    unlock();
    *sink = NULL;
}

static bool enqueue(struct sink *sink, struct slice line)
{
    size_t before = buffer_length(&sink->waiting);
    char *room =
        line.length < SINK_QUEUE_BYTES_MAX ? buffer_reserve(&sink->waiting, line.length + 1) : NULL;
    if (room == NULL) {
        sink->dropped++;
        return false;
    }
    memcpy(room, line.start, line.length);
    room[line.length] = '\n';
    buffer_commit(&sink->waiting, line.length + 1);
    if (!writer.is_running)
        return true;

    wake();
    size_t half = SINK_QUEUE_BYTES_MAX / 2;
    if (before < half && before + line.length + 1 >= half)
        pthread_cond_signal(&writer.wake);
    return true;
}

bool sink_write(struct sink *sink, struct slice line)
{
    lock();
    bool accepted = enqueue(sink, line);
    if (accepted && !writer.is_running) {
        size_t lost = line_output_write(&sink->output, &sink->waiting, PATIENCE_ALONE_MILLISECONDS);
        accepted = lost == 0;
        sink->dropped += lost;
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
    close_file(sink);
    line_output_init(&sink->output, fd);
}

/* With the mutex, which is given up meanwhile. Whether something is left that did not go through.
 */
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
    sink->dropped += lost;
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

static void gather(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GATHER_MILLISECONDS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&writer.wake, &writer.mutex, &until);
}

static void await_work(void)
{
    writer.is_idle = true;
    while (!writer.has_work && !writer.is_stopping)
        pthread_cond_wait(&writer.wake, &writer.mutex);
    writer.is_idle = false;
}

static void *run(void *unused)
{
    lock();
    for (;;) {
        await_work();
        writer.has_work = false;
        bool is_left = write_all_out();
        writer.has_work = writer.has_work || is_left;
        if (writer.is_stopping && (!writer.has_work || monotonic_now() > writer.stop_deadline))
            break;
        if (!writer.is_stopping)
            gather();
    }
    writer.is_running = false;
    unlock();
    return NULL;
}

void sinks_start(void (*report)(const char *text))
{
    sigset_t all, before;

    init_once();
    lock();
    writer.report = report;
    if (!writer.is_running) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        writer.is_stopping = false;
        writer.is_running = pthread_create(&writer.thread, NULL, run, NULL) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    unlock();
}

void sinks_stop(void)
{
    struct timespec until;

    init_once();
    lock();
    bool was_running = writer.is_running;
    writer.is_stopping = true;
    writer.stop_deadline = monotonic_now() + STOP_SECONDS;
    pthread_cond_signal(&writer.wake);
    unlock();
    if (!was_running)
        return;
    /* The thread may hang in a write that poll() had promised: another process was faster. */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS + 1;
    if (pthread_timedjoin_np(writer.thread, NULL, &until) != 0)
        pthread_detach(writer.thread);
}

void sinks_reopen(void)
{
    init_once();
    lock();
    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = node->next)
        CONTAINER_OF(node, struct sink, node)->reopen = true;
    if (writer.is_running)
        wake();
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
    if (writer.sinks.next == NULL || pthread_mutex_trylock(&writer.mutex) != 0)
        return;
    for (struct list *node = writer.sinks.next; node != &writer.sinks; node = node->next) {
        struct sink *sink = CONTAINER_OF(node, struct sink, node);
        rescue(sink, &sink->writing);
        rescue(sink, &sink->waiting);
    }
    unlock();
}
