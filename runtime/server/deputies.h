/*
 * deputies — who accepts for a worker that does not: it has died, or its loop does not turn.
 *
 * Each worker accepts from sockets of its own, so clients would wait in them until it goes on or is
 * replaced. Instead a sibling looks after these sockets as well, for as long as that takes. When
 * the worker goes on meanwhile, both do.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sockets;
struct workforce;

/* A turn that goes on for longer is none that others should wait for. */
#define DEPUTIES_TURN_SECONDS 0.25

struct deputies_options {
    struct workforce *workforce;
    const struct sockets *sockets; /* that workers accept from; looked at each time */
    const uint64_t *generation;    /* that they run */
};

struct deputies {
    struct deputies_options options;
    struct deputies_case *cases; /* one for each worker */
};

void deputies_init(struct deputies *deputies, const struct deputies_options *options);
void deputies_clear(struct deputies *deputies);
/* Whether that worker accepts by itself; as often as one looks. */
void deputies_note(struct deputies *deputies, unsigned worker, bool is_away);
/* It has ended, and is nobody's deputy any more. */
void deputies_on_death(struct deputies *deputies, unsigned worker);
/* Workers may have swapped their generation, and with it given up what they did for others. */
void deputies_renew(struct deputies *deputies);
