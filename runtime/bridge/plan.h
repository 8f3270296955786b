/*
 * plan — what the master needs to know of a configuration: sockets to open, memory to make, workers
 * to start.
 *
 * Plain data of fixed size, so that the throw-away process that checked the configuration can send
 * it through a pipe. All else of a configuration is built by each worker for itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "net/address.h"

#define PLAN_LISTENERS_MAX 64
#define PLAN_SOURCE_BYTES  256
#define PLAN_USER_BYTES    64

struct plan_listener {
    char address[ADDRESS_TEXT_BYTES]; /* as address_parse() takes it */
    char source[PLAN_SOURCE_BYTES];   /* "gateway.lua:3" */
    bool is_admin;
};

struct plan {
    unsigned workers; /* 0: one per core */
    /* bytes; 0: shm/shared.h decides */
    size_t memory_counters, memory_limits, memory_dict, memory_values, memory_objects;
    enum log_level log_level;
    enum log_format log_format;
    char user[PLAN_USER_BYTES]; /* whom workers run as when started as root; empty: stay */
    double drain_seconds;
    bool watches_files;  /* reloads when one has changed */
    double turn_seconds; /* for a turn of a worker's loop; 0: for ever */
    size_t listener_count;
    struct plan_listener listeners[PLAN_LISTENERS_MAX]; /* in the order of generation_listener() */
};

/* In plan_match_listeners(): there was no such listener before. */
#define PLAN_LISTENER_NEW SIZE_MAX

/*
 * For each listener of `next` its place among those of `current`, or PLAN_LISTENER_NEW: the same is
 * one with the same address, as it is written; of several (ports chosen by the kernel) each is the
 * same once, in their order. Master and workers agree by it on which sockets are new.
 */
void plan_match_listeners(const struct plan *current, const struct plan *next,
                          size_t places[PLAN_LISTENERS_MAX]);
