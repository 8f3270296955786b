/*
 * control_path — where the control socket of a gateway is, found from its configuration's path.
 *
 * A gateway is known by the path of its configuration as it was written, made absolute, and by the
 * real path behind it. The first stays the same when a symlink on the way is swapped, the second
 * wherever one stands; each has a socket, named by a digest of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

/* As much as the address of a socket holds. */
#define CONTROL_PATH_BYTES  sizeof(((struct sockaddr_un *)0)->sun_path)
#define CONTROL_NAMES_MAX   2
#define CONTROL_NAME_BYTES  33
#define CONTROL_FOLDERS_MAX 4

struct control_names {
    size_t count;
    char names[CONTROL_NAMES_MAX][CONTROL_NAME_BYTES];
};

void control_names_init(struct control_names *names, const char *config_path);

/* A place for sockets. */
struct control_folder {
    char path[CONTROL_PATH_BYTES];
    /* Anybody may make one of that name: whoever trusts it looks at its owner first. */
    bool is_guessable;
};

/* The places where gateways have their sockets, the best one first. */
size_t control_folders(struct control_folder folders[CONTROL_FOLDERS_MAX]);
/* Makes it unless it is there; false when others could write to it, or it cannot be made. */
bool control_folder_prepare(const struct control_folder *folder);
/* Ours alone, and no symlink. */
bool control_folder_is_own(const char *path);

/* False when it does not fit. */
bool control_path_of(const struct control_folder *folder, const char *name, const char *ending,
                     char path[CONTROL_PATH_BYTES]);
