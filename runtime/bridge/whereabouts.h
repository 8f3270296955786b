/*
 * whereabouts — what Lua the worker runs just now, put where its master sees it.
 *
 * A few stores for each phase that begins or goes on; within it chains store the step (chain.lua).
 * When the master asks, by a signal, the lines that run are told as well, if they can be had:
 * interpreted code reaches a hook, compiled code and long calls into C do not.
 */
#pragma once

#include <signal.h>
#include <stdint.h>

#define WHEREABOUTS_SIGNAL SIGUSR2

struct exchange;
struct tasks;

/* In a worker's one thread with a loop, before its master may ask. */
void whereabouts_tell_lines(void);
/* That `step` (shm/worker_board.h) runs for `exchange`, NULL: for none. */
void whereabouts_show(const struct tasks *tasks, const struct exchange *exchange, uint32_t step);
/* No Lua of these runs any more. */
void whereabouts_hide(const struct tasks *tasks);
