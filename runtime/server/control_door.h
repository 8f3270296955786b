/*
 * control_door — the sockets by which one gateway is found, and the locks that make them its own.
 *
 * Files of a master that died are in nobody's way: a lock that ends with the last descriptor of it
 * tells whether somebody stands behind a socket. It can be given to another process with the
 * socket; who has it is written in its file.
 */
#pragma once

#include <stdbool.h>

#include "server/control_path.h"

#define CONTROL_ERROR_BYTES 256

struct control_door {
    char lock_path[CONTROL_PATH_BYTES], path[CONTROL_PATH_BYTES];
    int lock_fd, fd; /* the listening socket's; -1: none */
    bool was_left;   /* by a gateway that did not end in good order */
    bool is_inherited;
};

/* One for each name of the gateway. */
struct control_doors {
    size_t count;
    struct control_door doors[CONTROL_NAMES_MAX];
};

enum control_opening { CONTROL_OPEN, CONTROL_TAKEN, CONTROL_IMPOSSIBLE };

/*
 * Opens all, or none with a sentence: another gateway has one, or the system has no place. Those
 * that `inherited`, which may be NULL, has of them are moved out of it instead.
 */
enum control_opening control_doors_open(struct control_doors *doors, const char *config_path,
                                        struct control_doors *inherited,
                                        char error[CONTROL_ERROR_BYTES]);
/* Says that this process stands behind them now. */
void control_doors_sign(const struct control_doors *doors);
/* Finds the lock's path from the socket's; false when that is not one. */
bool control_door_name_lock(struct control_door *door);
/* Takes the files away. */
void control_doors_close(struct control_doors *doors);
/* Before it stands behind them: takes away the files of those that are not another gateway's. */
void control_doors_give_up(struct control_doors *doors);
/* In a forked child: closes descriptors, the files stay. */
void control_doors_abandon(struct control_doors *doors);
