/*
 * privileges — gives up root where the program was started as root.
 */
#pragma once

#include <stdbool.h>

/* In a worker: becomes `user` (empty: stays), with no capability left. False, logged, when it
 * cannot. */
bool privileges_drop(const char *user);
/* Whether `user` exists; empty counts as existing. */
bool privileges_user_exists(const char *user);
