/*
 * control_door — a record lock, and behind it the socket of that name.
 */
#include "server/control_door.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG     64
#define SOCKET_MODE 0600
/* A lock's file may be taken away between its opening and its locking. */
#define LOCK_TRIES_MAX 100

/* Whether the file is still the one that its name leads to. */
static bool is_current(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

/* A record lock: it is the process's alone, no child inherits it. `*holder`: who has it. */
static enum control_opening take_lock(struct control_door *door, pid_t *holder)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    for (int i = 0; i < LOCK_TRIES_MAX; i++) {
        door->lock_fd =
            open(door->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, SOCKET_MODE);
        if (door->lock_fd < 0)
            return CONTROL_IMPOSSIBLE;
        bool is_locked = fcntl(door->lock_fd, F_SETLK, &lock) == 0;
        if (is_locked && is_current(door->lock_fd, door->lock_path))
            return CONTROL_OPEN;
        bool is_held =
            !is_locked && fcntl(door->lock_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
        close(door->lock_fd);
        door->lock_fd = -1;
        if (is_held) {
            *holder = lock.l_pid;
            return CONTROL_TAKEN;
        }
        lock.l_type = F_WRLCK;
    }
    return CONTROL_IMPOSSIBLE;
}

/* Under the lock, so whatever has the name is a dead master's. */
static bool open_socket(struct control_door *door)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, door->path, sizeof(door->path));
    door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    door->was_left = unlink(door->path) == 0;
    return door->fd >= 0 && bind(door->fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
           chmod(door->path, SOCKET_MODE) == 0 && listen(door->fd, BACKLOG) == 0;
}

static void close_door(struct control_door *door, bool takes_files)
{
    if (takes_files && door->lock_fd >= 0) {
        unlink(door->path);
        unlink(door->lock_path);
    }
    if (door->fd >= 0)
        close(door->fd);
    if (door->lock_fd >= 0)
        close(door->lock_fd);
    door->fd = door->lock_fd = -1;
}

static void close_all(struct control_doors *doors, bool takes_files)
{
    for (size_t i = 0; i < doors->count; i++)
        close_door(&doors->doors[i], takes_files);
    doors->count = 0;
}

void control_doors_close(struct control_doors *doors)
{
    close_all(doors, true);
}

void control_doors_abandon(struct control_doors *doors)
{
    close_all(doors, false);
}

static enum control_opening open_door(struct control_door *door,
                                      const struct control_folder *folder, const char *name,
                                      pid_t *holder)
{
    *door = (struct control_door){.lock_fd = -1, .fd = -1};
    if (!control_path_of(folder, name, ".lock", door->lock_path) ||
        !control_path_of(folder, name, ".sock", door->path))
        return CONTROL_IMPOSSIBLE;
    enum control_opening got = take_lock(door, holder);
    return got == CONTROL_OPEN && !open_socket(door) ? CONTROL_IMPOSSIBLE : got;
}

/* All in one folder, or none. */
static enum control_opening open_in(struct control_doors *doors,
                                    const struct control_folder *folder,
                                    const struct control_names *names, pid_t *holder)
{
    enum control_opening got =
        control_folder_prepare(folder) && names->count > 0 ? CONTROL_OPEN : CONTROL_IMPOSSIBLE;

    for (size_t i = 0; i < names->count && got == CONTROL_OPEN; i++)
        got = open_door(&doors->doors[doors->count++], folder, names->names[i], holder);
    if (got != CONTROL_OPEN)
        control_doors_close(doors);
    return got;
}

enum control_opening control_doors_open(struct control_doors *doors, const char *config_path,
                                        char error[CONTROL_ERROR_BYTES])
{
    struct control_folder folders[CONTROL_FOLDERS_MAX];
    struct control_names names;
    size_t count = control_folders(folders);
    enum control_opening got = CONTROL_IMPOSSIBLE;
    pid_t holder = 0;

    *doors = (struct control_doors){0};
    control_names_init(&names, config_path);
    for (size_t i = 0; i < count && got == CONTROL_IMPOSSIBLE; i++)
        got = open_in(doors, &folders[i], &names, &holder);
    if (got == CONTROL_TAKEN)
        snprintf(error, CONTROL_ERROR_BYTES,
                 "a gateway runs with this configuration already, its pid is %d", (int)holder);
    if (got == CONTROL_IMPOSSIBLE)
        snprintf(error, CONTROL_ERROR_BYTES,
                 "there is no place for a control socket, so moongate status, reload and stop will "
                 "not find this gateway; RUNTIME_DIRECTORY may name a folder of its own");
    return got;
}
