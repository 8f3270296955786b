/*
 * probe_options — how an upstream's targets are asked whether they are well.
 */
#pragma once

#include "base/slice.h"

/* Ranges of statuses that are expected. */
#define PROBE_STATUSES_MAX 16
/* Of a body that is looked through. */
#define PROBE_BODY_BYTES_MAX 65536

enum probe_kind {
    PROBE_NONE, /* nobody asks */
    PROBE_TCP,  /* a connection, with TLS where the target has it */
    PROBE_HTTP  /* a GET */
};

struct probe_status_range {
    unsigned short first, last;
};

struct probe_options {
    enum probe_kind kind;
    double interval, timeout; /* seconds */
    double jitter;            /* a share of the interval by which it varies */
    unsigned rise, fall;      /* so many in a row tell that it is up, or down */
    struct slice path;        /* with its query */
    struct slice host;        /* in Host; empty: the target's */
    struct slice body;        /* what the answer has to have in it; empty: anything */
    struct probe_status_range statuses[PROBE_STATUSES_MAX];
    unsigned status_count; /* 0: 200 to 399 */
};
