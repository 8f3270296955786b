/*
 * probe_verdict — what probes have found out about a target, as one word that all workers share.
 *
 * Until so many in a row have told otherwise it stays as it is; who was never probed serves. The
 * word: 1 to 0 the state, 17 to 2 probes in a row that said the contrary, 57 to 18 milliseconds
 * since when. Written by who probes alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum probe_state { PROBE_UNKNOWN, PROBE_UP, PROBE_DOWN };

static inline enum probe_state probe_verdict_state(uint64_t word)
{
    return (enum probe_state)(word & 3);
}

/* Seconds of the clock of ejection.h: since when it is in that state. */
double probe_verdict_since(uint64_t word);
/*
 * One more probe, which went well or not. True: the state has changed. The first one of a target
 * that was never probed is enough, so that one that is not there gets no requests for long.
 */
bool probe_verdict_add(uint64_t *word, bool is_well, unsigned rise, unsigned fall, double now);
