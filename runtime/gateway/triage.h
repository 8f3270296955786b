/*
 * triage — whom it meets when a share of requests is refused: the least critical that have come.
 *
 * Requests are counted by criticality as they come. What is refused is all below an edge, none
 * above it, and of those on it so many that it is the share that was asked for, drawn at random. So
 * the share is what it should be whatever mixture of requests comes, and none is refused while a
 * less critical one is let through.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Criticalities are 1 to this one, which is never refused. */
#define TRIAGE_CRITICAL 100

struct triage {
    uint32_t seen[TRIAGE_CRITICAL]; /* lately, by criticality */
    uint32_t total;                 /* of them */
    double halved;                  /* when what was seen before was halved */
    unsigned edge;                  /* 0: nobody is refused */
    uint32_t edge_share;            /* of 2^32: of those on the edge */
    uint64_t random;
};

/* `seed` is another one in another process. */
void triage_init(struct triage *triage, uint64_t seed);
/* What has been seen counts no more. */
void triage_forget(struct triage *triage, double now);
/* Refuses that share, 0 to 1, from now on of what is not critical, judged by what has come so far.
 */
void triage_set(struct triage *triage, double share, double now);
/* A request has come: whether it is refused. */
bool triage_refuses(struct triage *triage, unsigned criticality);
/* A pseudo-random number. */
uint32_t triage_random(struct triage *triage);
