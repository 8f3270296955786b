/*
 * rehearsal — reads a configuration in a throw-away process, so that nothing it does can touch the
 * master.
 *
 * Started, then finished when its descriptor is readable: a master with an event loop never waits.
 * What has been read comes back as a sealed bundle, whether the configuration is good or not:
 * workers build from it, and it says which files to watch.
 */
#pragma once

#include "bridge/plan.h"
#include "server/installation.h"

/* A configuration that takes longer to read is refused. */
#define REHEARSAL_SECONDS_MAX 60

struct rehearsal;

struct rehearsal_options {
    const char *config_path;                 /* needed no longer than it takes to start */
    const struct installation *installation; /* likewise */
    int running_inventory_fd; /* the caller's: of what runs, to tell what differs; -1: none */
    bool is_idle; /* it takes only what others leave of the processors (base/priority.h), while it
                   * can */
};

struct rehearsal_result {
    bool is_good;
    struct plan plan;   /* when good */
    int bundle_fd;      /* for bundle_open(); -1 when the process died, or had no memory for it */
    int inventory_fd;   /* what there is, sealed; -1 unless good, or when there was no memory */
    int difference_fd;  /* from what runs, sealed; -1 likewise, and where that is not known */
    char *errors;       /* one a line, all of them; "" when good */
    double cpu_seconds; /* that it took until it told; 0 when it died */
};

/* NULL with errno when the system has no process to give. */
struct rehearsal *rehearsal_start(const struct rehearsal_options *options);
/* It is idle no longer. */
void rehearsal_hurry(struct rehearsal *rehearsal);
/* Readable once it has ended. */
int rehearsal_fd(const struct rehearsal *rehearsal);
/* Waits for its message, and for its end, and for no other child's. One that is idle still is left
 * to end at its leisure, which takes milliseconds of CPU: whoever reaps strangers reaps it. The
 * result is the caller's to clear. */
void rehearsal_finish(struct rehearsal **rehearsal, struct rehearsal_result *result);
/* Ends it where it stands. */
void rehearsal_cancel(struct rehearsal **rehearsal);
/* In another child of the master's: gives back what only the master has a use for. */
void rehearsal_abandon(struct rehearsal **rehearsal);

/* Both in one, where waiting does no harm. */
void rehearsal_run(const char *config_path, const struct installation *installation,
                   struct rehearsal_result *result);
/* Closes the descriptors that have not been taken over, and are not -1 since. */
void rehearsal_result_clear(struct rehearsal_result *result);
