/*
 * watch — one inotify watch for each folder and each file of the points, looked up when it tells.
 */
#include "server/watch.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "server/watch_points.h"

#define FOLDER_EVENTS \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)
#define FILE_EVENTS  (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define EVENTS_BYTES 16384

/* What one watch of inotify stands for. */
struct watched {
    int wd;
    size_t first, count; /* among the points: all of one folder, or one file */
};

struct watch {
    struct loop *loop;
    void (*on_change)(void *data, const char *what);
    void *data;
    int fd; /* -1: inotify is not to be had */
    ev_io events;
    ev_timer quiet, poll;
    double first_change; /* as the loop counts; 0: none is to be told */
    char what[NAME_MAX + 1];
    struct watch_points points;
    struct watched *watched; /* by wd */
    size_t watched_count;
    uint64_t fingerprint; /* of all points, while polling */
};

static void note_change(struct watch *watch, const char *what)
{
    double now = loop_monotonic(watch->loop);

    if (watch->first_change == 0) {
        watch->first_change = now;
        snprintf(watch->what, sizeof(watch->what), "%s", what);
    }
    double left = watch->first_change + WATCH_SECONDS_MAX - now;
    double seconds = left < WATCH_QUIET_SECONDS ? left : WATCH_QUIET_SECONDS;
    ev_timer_stop(watch->loop->ev, &watch->quiet);
    ev_timer_set(&watch->quiet, seconds > 0 ? seconds : 0, 0);
    ev_timer_start(watch->loop->ev, &watch->quiet);
}

/* The first of those that stand behind `wd`: two ways may lead to the same folder. */
static size_t first_with(const struct watch *watch, int wd)
{
    size_t low = 0, high = watch->watched_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (watch->watched[middle].wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* An event of a folder has a name, one of a file or of the folder itself has none. */
static const struct watch_point *find_point(const struct watch *watch,
                                            const struct watched *watched, const char *name)
{
    for (size_t i = watched->first; i < watched->first + watched->count; i++) {
        const struct watch_point *point = &watch->points.points[i];
        if (*name == '\0' || point->kind == WATCH_LISTING ||
            (point->kind == WATCH_NAME && strcmp(point->name, name) == 0))
            return point;
    }
    return NULL;
}

static void on_event(struct watch *watch, const struct inotify_event *event)
{
    const char *name = event->len > 0 ? event->name : "";

    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        note_change(watch, "more than could be followed");
        return;
    }
    for (size_t i = first_with(watch, event->wd);
         i < watch->watched_count && watch->watched[i].wd == event->wd; i++) {
        const struct watch_point *point = find_point(watch, &watch->watched[i], name);
        if (point != NULL)
            note_change(watch, *name != '\0'          ? name
                               : *point->name != '\0' ? point->name
                                                      : point->folder);
    }
}

static ssize_t take_events(const struct watch *watch, char bytes[EVENTS_BYTES])
{
    return watch->fd >= 0 ? read(watch->fd, bytes, EVENTS_BYTES) : -1;
}

static void read_events(struct watch *watch)
{
    _Alignas(struct inotify_event) char bytes[EVENTS_BYTES];
    ssize_t count = take_events(watch, bytes);

    for (ssize_t at = 0; at < count;) {
        const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
        on_event(watch, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

static void on_events(struct ev_loop *ev, ev_io *watcher, int events)
{
    read_events(watcher->data);
}

/* A loop that was late finds what has come meanwhile and the timer at the same time: it was not
 * quiet then, and what is told of here need not be told of again. */
static void on_quiet(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct watch *watch = timer->data;
    double last = watch->first_change + WATCH_SECONDS_MAX;

    read_events(watch);
    if (ev_is_active(timer) && loop_monotonic(watch->loop) < last)
        return;
    ev_timer_stop(ev, timer);
    watch->first_change = 0;
    watch->on_change(watch->data, watch->what);
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x9e3779b97f4a7c15U + (sum >> 29);
}

/* Of folders on the way only which they are counts: much else may happen in them. */
static uint64_t mix_point(uint64_t sum, const struct watch_point *point)
{
    struct stat status;

    if (!watch_point_stat(point, &status))
        return mix(sum, 1);
    sum = mix(mix(sum, status.st_ino), status.st_dev);
    if (S_ISDIR(status.st_mode) && point->kind != WATCH_LISTING)
        return sum;
    sum = mix(mix(sum, (uint64_t)status.st_ctim.tv_sec), (uint64_t)status.st_ctim.tv_nsec);
    return mix(sum, (uint64_t)status.st_size);
}

static uint64_t fingerprint_of(const struct watch_points *points)
{
    uint64_t sum = points->count;

    for (size_t i = 0; i < points->count; i++)
        sum = mix_point(sum, &points->points[i]);
    return sum;
}

static void on_poll(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct watch *watch = timer->data;
    uint64_t fingerprint = fingerprint_of(&watch->points);

    if (fingerprint != watch->fingerprint)
        note_change(watch, "a file");
    watch->fingerprint = fingerprint;
}

struct watch *watch_create(struct loop *loop, void (*on_change)(void *data, const char *what),
                           void *data)
{
    struct watch *watch = mem_zeroed(sizeof(*watch));

    *watch = (struct watch){.loop = loop, .on_change = on_change, .data = data};
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch_points_init(&watch->points);
    ev_init(&watch->events, on_events);
    ev_init(&watch->quiet, on_quiet);
    ev_timer_init(&watch->poll, on_poll, WATCH_POLL_SECONDS, WATCH_POLL_SECONDS);
    watch->events.data = watch->quiet.data = watch->poll.data = watch;
    if (watch->fd >= 0) {
        ev_io_set(&watch->events, watch->fd, EV_READ);
        ev_io_start(loop->ev, &watch->events);
    }
    return watch;
}

void watch_abandon(struct watch **watch)
{
    if ((*watch)->fd >= 0)
        close((*watch)->fd);
    watch_points_clear(&(*watch)->points);
    free((*watch)->watched);
    free(*watch);
    *watch = NULL;
}

void watch_destroy(struct watch **watch)
{
    struct ev_loop *ev = (*watch)->loop->ev;

    ev_io_stop(ev, &(*watch)->events);
    ev_timer_stop(ev, &(*watch)->quiet);
    ev_timer_stop(ev, &(*watch)->poll);
    watch_abandon(watch);
}

struct timespec watch_moment(void)
{
    struct timespec now;
    /* The clock that file systems take their times from. */
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now;
}

/* An event comes after its change, so one that is there tells of what will be read. */
void watch_forget_changes(struct watch *watch)
{
    _Alignas(struct inotify_event) char bytes[EVENTS_BYTES];

    while (take_events(watch, bytes) > 0)
        continue;
    watch->first_change = 0;
    ev_timer_stop(watch->loop->ev, &watch->quiet);
}

/* A watch for the folder or the file of a point. True, without one, where there is no such thing or
 * it may not be read: then what is in its way is watched, or nobody could have read it. */
static bool add_watch(struct watch *watch, const struct watch_point *point, size_t count)
{
    char path[PATH_MAX];
    bool is_file = point->kind == WATCH_CONTENT;
    size_t first = (size_t)(point - watch->points.points);

    if (snprintf(path, sizeof(path), "%s/%s", point->folder, is_file ? point->name : "") >=
        (int)sizeof(path))
        return true;
    int wd = inotify_add_watch(watch->fd, path, is_file ? FILE_EVENTS : FOLDER_EVENTS);
    if (wd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP;
    if (watch->watched_count == WATCH_WATCHES_MAX)
        return false;
    watch->watched[watch->watched_count++] = (struct watched){wd, first, count};
    return true;
}

static size_t folder_end(const struct watch_points *points, size_t first)
{
    size_t end = first + 1;

    while (end < points->count &&
           strcmp(points->points[end].folder, points->points[first].folder) == 0)
        end++;
    return end;
}

static bool add_folder(struct watch *watch, size_t first, size_t end)
{
    assert(watch->points.points[first].kind != WATCH_CONTENT); /* a name comes before it */
    bool is_added = add_watch(watch, &watch->points.points[first], end - first);

    for (size_t i = first; i < end && is_added; i++) {
        if (watch->points.points[i].kind == WATCH_CONTENT)
            is_added = add_watch(watch, &watch->points.points[i], 1);
    }
    return is_added;
}

/* False when the system, or we, have no watches left. */
static bool add_all(struct watch *watch)
{
    const struct watch_points *points = &watch->points;

    if (watch->fd < 0)
        return false;
    for (size_t first = 0; first < points->count;) {
        size_t end = folder_end(points, first);
        if (!add_folder(watch, first, end))
            return false;
        first = end;
    }
    return true;
}

static int compare_watched(const void *one, const void *other)
{
    const struct watched *a = one, *b = other;
    return (a->wd > b->wd) - (a->wd < b->wd);
}

static void start_polling(struct watch *watch)
{
    if (!ev_is_active(&watch->poll))
        log_write(LOG_WARNING,
                  "changed files are looked for every %.0f seconds: the system has no watches left "
                  "to tell of them (fs.inotify.max_user_watches)",
                  WATCH_POLL_SECONDS);
    watch->fingerprint = fingerprint_of(&watch->points);
    ev_timer_start(watch->loop->ev, &watch->poll);
}

/* Those of before are taken back only now: what is in both was never unwatched. */
static void replace_watches(struct watch *watch, const struct watched *old, size_t old_count)
{
    bool is_complete = add_all(watch);

    qsort(watch->watched, watch->watched_count, sizeof(*watch->watched), compare_watched);
    for (size_t i = 0; i < old_count; i++) {
        size_t at = first_with(watch, old[i].wd);
        if (at == watch->watched_count || watch->watched[at].wd != old[i].wd)
            inotify_rm_watch(watch->fd, old[i].wd); /* EINVAL: the file is gone */
    }
    if (is_complete)
        ev_timer_stop(watch->loop->ev, &watch->poll);
    else
        start_polling(watch);
}

static bool is_since(const struct timespec *changed, const struct timespec *moment)
{
    return changed->tv_sec > moment->tv_sec ||
           (changed->tv_sec == moment->tv_sec && changed->tv_nsec >= moment->tv_nsec);
}

/* What changed between its reading and its being watched. */
static void look_back(struct watch *watch, struct timespec read)
{
    for (size_t i = 0; i < watch->points.count; i++) {
        const struct watch_point *point = &watch->points.points[i];
        struct stat status;
        if (!watch_point_stat(point, &status) ||
            (S_ISDIR(status.st_mode) && point->kind != WATCH_LISTING))
            continue;
        if (is_since(point->kind == WATCH_LISTING ? &status.st_mtim : &status.st_ctim, &read)) {
            note_change(watch, *point->name != '\0' ? point->name : point->folder);
            return;
        }
    }
}

void watch_set(struct watch *watch, const struct watch_path *paths, size_t count,
               struct timespec read)
{
    struct watched *old = watch->watched;
    size_t old_count = watch->watched_count;
    struct slice moved = SLICE_NONE;

    watch_points_clear(&watch->points);
    watch_points_init(&watch->points);
    for (size_t i = 0; i < count; i++) {
        bool is_there = watch_points_add(&watch->points, paths[i].path, paths[i].is_folder);
        if (paths[i].state != WATCH_UNKNOWN && is_there != (paths[i].state == WATCH_THERE))
            moved = paths[i].path;
    }
    watch_points_sort(&watch->points);
    watch->watched = mem_zeroed_array(watch->points.count, sizeof(*watch->watched));
    watch->watched_count = 0;
    replace_watches(watch, old, old_count);
    free(old);
    if (moved.start != NULL) {
        char what[NAME_MAX + 1];
        snprintf(what, sizeof(what), "%.*s", SLICE_FORMAT(moved));
        note_change(watch, what);
    } else {
        look_back(watch, read);
    }
}
