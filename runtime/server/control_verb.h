/*
 * control_verb — a verb that the gateway that runs with a configuration is asked.
 */
#pragma once

#include <stdbool.h>

/* Asks, prints the answer, returns the exit code. */
int control_verb_run(const char *verb, const char *config_path, bool wants_json);
