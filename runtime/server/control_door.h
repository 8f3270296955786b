/*
 * control_door — the sockets by which one gateway is found, and the locks that make them its own.
 *
 * Files of a master that died are in nobody's way: a lock that ends with its process tells whether
 * somebody stands behind a socket.
 */
#pragma once

#include <stdbool.h>

#include "server/control_path.h"

#define CONTROL_ERROR_BYTES 256

struct control_door {
    char lock_path[CONTROL_PATH_BYTES], path[CONTROL_PATH_BYTES];
    int lock_fd, fd; /* the listening socket's; -1: none */
    bool was_left;   /* by a gateway that did not end in good order */
};

/* One for each name of the gateway. */
struct control_doors {
    size_t count;
    struct control_door doors[CONTROL_NAMES_MAX];
};

enum control_opening { CONTROL_OPEN, CONTROL_TAKEN, CONTROL_IMPOSSIBLE };

/* Opens all, or none with a sentence: another gateway has one, or the system has no place. */
enum control_opening control_doors_open(struct control_doors *doors, const char *config_path,
                                        char error[CONTROL_ERROR_BYTES]);
/* Takes the files away. */
void control_doors_close(struct control_doors *doors);
/* In a forked child: closes descriptors, the files stay. */
void control_doors_abandon(struct control_doors *doors);
