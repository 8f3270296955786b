/*
 * program — the program as it was started, to be started once more: whatever has its name by then.
 */
#pragma once

#include <sys/types.h>

struct channel;

/* Names the descriptor that a program started by us finds its end of a channel at. */
#define PROGRAM_CHANNEL_VARIABLE "MOONGATE_HANDOVER"

/*
 * With the same arguments, in the same folder, with one end of a channel, which is no longer needed
 * here then. When it cannot be started, it says so on the channel ("failed ...") and ends with 127.
 * -1 with errno when the system has no process to give.
 */
pid_t program_start(char *const *arguments, struct channel *end);
