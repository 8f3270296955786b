/*
 * admission — which of an upstream's requests go at once, and which wait for others to end.
 *
 * There may be a limit of requests under way over all workers (shm/gates.h), and a queue for those
 * that find it reached, or no connection to be had. A request is under way until the head of its
 * answer, which is what the limit is learnt from: who reads slowly, or a stream of events, holds
 * no place. Those that wait do so in their worker; when a place is free one worker is told, those
 * of all workers in turn, and within it the order is the queue's.
 */
#pragma once

#include "shm/gate_limit.h"

/* For how long requests may wait at most. */
#define ADMISSION_SECONDS_MAX 3600

enum admission_order {
    ADMISSION_OLDEST_FIRST,
    ADMISSION_NEWEST_FIRST,
    /* The oldest, but the newest while some have been waiting for longer than they may: then the
     * oldest have not much time left, and all would come too late. */
    ADMISSION_ADAPTIVE
};

struct admission_options {
    bool has_limit;
    struct gate_options limit;
    unsigned queue_size; /* that wait in all workers; 0: none does */
    double queue_seconds;
    enum admission_order order;
    bool is_queue_report_only; /* none waits; what would is counted */
};

struct admission;
struct call;
struct cluster;
struct clusters;
struct gates;

/* `*admission` gets other options, which are copied; it is made with the first. NULL: all go at
 * once from now on. */
void admission_configure(struct admission **admission, struct cluster *cluster,
                         const struct admission_options *options);
/* Whether it has these options; both may be NULL. */
bool admission_is(const struct admission *admission, const struct admission_options *options);
/* When no calls are left. Clears `*admission`, which may be NULL. */
void admission_destroy(struct admission **admission);
/* Something has become free in this worker: who waits is looked at soon. */
void admission_wake(struct admission *admission);

/* For clusters_admit_in() and clusters_destroy(). */
void admissions_listen(struct clusters *clusters, const struct gates *gates);
void admissions_unlisten(struct clusters *clusters);
