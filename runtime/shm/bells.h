/*
 * bells — a descriptor for each lane, by which any process tells that lane's worker to look.
 *
 * The master opens them before it forks, so that all have them all. A ring costs a system call;
 * several before the worker looks are heard as one. A lane without one, -1, cannot be told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* For so many lanes, none of which has one yet; the caller's. */
int *bells_create(uint32_t lanes);
/* Closes them and clears `*bells`, which may be NULL. */
void bells_destroy(int **bells, uint32_t lanes);
/* Those of `count` lanes from `first` on; false when the system gives no more descriptors. */
bool bells_hang(int *bells, uint32_t first, uint32_t count);
void bells_ring(const int *bells, uint32_t lane);
/* The worker has heard it: from now on it can be rung again. False: the descriptor is broken. */
bool bells_hear(int bell);
