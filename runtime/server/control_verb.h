/*
 * control_verb — a verb that the gateway that runs with a configuration is asked.
 */
#pragma once

#include "server/control_call.h"

/* Asks, prints the answer, returns the exit code. */
int control_verb_run(const struct control_question *question, const char *config_path);
