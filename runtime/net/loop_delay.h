/*
 * loop_delay — how late a loop serves what has become ready, told by how long its turns take.
 *
 * What is ready when a turn begins is served in the course of it; what becomes ready meanwhile
 * waits for the next turn. So the work of a turn is late by half of that turn and, where the loop
 * has not waited in between, half of the one before, on average. Connections that wait to be
 * accepted, of which a turn accepts only so many, are late by as many turns as they take. A
 * processor that others have taken makes turns longer, and is not measured apart.
 *
 * All it takes is when a turn began and how long it took, which whoever measures turns knows.
 */
#pragma once

/* Of the average. */
#define LOOP_DELAY_MEMORY_SECONDS 0.05

struct loop_delay {
    double seconds; /* an average over time; while the loop waits nothing is late */
    double turn;    /* what the last turn took that has ended */
    double ended;   /* when, on the clock that turns begin by */
    double before;  /* what the turn before the one that runs took, 0: the loop has waited since */
    double looked;  /* so much of the one that runs is in the average */
    double queued;  /* so late connections are that wait to be accepted, beside */
};

/* Since the last look. */
struct loop_delay_step {
    double waited, worked; /* seconds */
};

/* A turn that began then has taken so long, and goes on. */
struct loop_delay_step loop_delay_look(struct loop_delay *delay, double began, double seconds);
/* ... and has ended; `behind`: see loop_turns_behind(). */
struct loop_delay_step loop_delay_end_turn(struct loop_delay *delay, double began, double seconds,
                                           double behind);
