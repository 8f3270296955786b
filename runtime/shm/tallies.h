/*
 * tallies — how often something happened to each of many numbers, told apart by all processes.
 *
 * A word has a number and its count, and both change by one compare-and-swap: nothing is lost when
 * a process is killed. A number keeps its word for good; those that find none count together.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/segment.h"

/* Numbers that are told apart; a power of two. */
#define TALLIES_MAX 4096

/* This process's view. */
struct tallies {
    uint64_t *words; /* 63 to 32 the number, 31 to 0 how often, modulo; the last is of the others */
};

size_t tallies_bytes(void);
/* The region `name`; false when the segment refuses it. */
bool tallies_init(struct tallies *tallies, struct segment *segment, const char *name);
/* `number`: not 0. */
void tallies_count(const struct tallies *tallies, uint32_t number);
uint32_t tallies_read(const struct tallies *tallies, uint32_t number);

/* What there was of all numbers, first those that are told apart, then the others together. */
struct tallies_seen {
    uint64_t words[TALLIES_MAX + 1];
};

void tallies_look(const struct tallies *tallies, struct tallies_seen *seen);
/* As if nothing of that number had been seen. */
void tallies_leave_out(const struct tallies *tallies, uint32_t number, struct tallies_seen *seen);
/* Of all numbers that were not left out, and of those that found no word: with the same left out
 * never less than when it was looked before, whatever is counted meanwhile. */
uint64_t tallies_rest(const struct tallies_seen *seen);
