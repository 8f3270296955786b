/*
 * command_line — the verbs of the program.
 */
#pragma once

#define CONFIG_DEFAULT "conf/gateway.lua"

/* Exit codes of every verb. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int command_line_run(int argc, char **argv);
