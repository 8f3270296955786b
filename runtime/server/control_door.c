/*
 * control_door — a lock, and behind it the socket of that name.
 */
#include "server/control_door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"

#define BACKLOG     64
#define SOCKET_MODE 0600
/* A lock's file may be taken away between its opening and its locking. */
#define LOCK_TRIES_MAX 100
#define PID_TEXT_BYTES 16
#define SOCKET_ENDING  ".sock"
#define LOCK_ENDING    ".lock" /* as long */

/* Whether the file is still the one that its name leads to. */
static bool is_current(int fd, const char *path)
{
    struct stat opened, named;

    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

static void sign(const struct control_door *door)
{
    char text[PID_TEXT_BYTES] = {0};

    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (pwrite(door->lock_fd, text, sizeof(text), 0) < 0)
        return; /* it is only said to people */
}

/* Who has signed; 0: nobody. */
static pid_t signer_of(int lock_fd)
{
    char text[PID_TEXT_BYTES] = {0};

    return pread(lock_fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* Of the open file, so children have to close it. `*holder`: who has it. */
static enum control_opening take_lock(struct control_door *door, pid_t *holder)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    for (int i = 0; i < LOCK_TRIES_MAX; i++) {
        door->lock_fd =
            open(door->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, SOCKET_MODE);
        if (door->lock_fd < 0)
            return CONTROL_IMPOSSIBLE;
        bool is_locked = fcntl(door->lock_fd, F_OFD_SETLK, &lock) == 0;
        bool is_held = !is_locked && (errno == EAGAIN || errno == EACCES);
        if (is_locked && is_current(door->lock_fd, door->lock_path)) {
            sign(door);
            return CONTROL_OPEN;
        }
        *holder = signer_of(door->lock_fd);
        close(door->lock_fd);
        door->lock_fd = -1;
        if (is_held)
            return CONTROL_TAKEN;
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
    descriptor_close(&door->fd);
    descriptor_close(&door->lock_fd);
}

static void close_all(struct control_doors *doors, bool takes_files)
{
    for (size_t i = 0; i < doors->count; i++)
        close_door(&doors->doors[i], takes_files);
    doors->count = 0;
}

void control_doors_sign(const struct control_doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        sign(&doors->doors[i]);
}

void control_doors_close(struct control_doors *doors)
{
    close_all(doors, true);
}

void control_doors_abandon(struct control_doors *doors)
{
    close_all(doors, false);
}

void control_doors_give_up(struct control_doors *doors)
{
    for (size_t i = 0; i < doors->count; i++)
        close_door(&doors->doors[i], !doors->doors[i].is_inherited);
    doors->count = 0;
}

bool control_door_name_lock(struct control_door *door)
{
    size_t length = strlen(door->path), ending = strlen(SOCKET_ENDING);

    memcpy(door->lock_path, door->path, length + 1);
    if (length < ending || strcmp(door->path + length - ending, SOCKET_ENDING) != 0)
        return false;
    memcpy(door->lock_path + length - ending, LOCK_ENDING, ending);
    return true;
}

/* False when there is none of that path. */
static bool inherit(struct control_door *door, struct control_doors *inherited)
{
    for (size_t i = 0; inherited != NULL && i < inherited->count; i++) {
        struct control_door *other = &inherited->doors[i];
        if (other->fd < 0 || strcmp(other->path, door->path) != 0)
            continue;
        door->fd = other->fd;
        door->lock_fd = other->lock_fd;
        door->is_inherited = true;
        other->fd = other->lock_fd = -1;
        return true;
    }
    return false;
}

/* Where to, and from whom. */
struct opening {
    const struct control_folder *folder;
    struct control_doors *inherited;
    pid_t holder; /* of one that is taken */
};

static enum control_opening open_door(struct control_door *door, struct opening *opening,
                                      const char *name)
{
    *door = (struct control_door){.lock_fd = -1, .fd = -1};
    if (!control_path_of(opening->folder, name, SOCKET_ENDING, door->path) ||
        !control_door_name_lock(door))
        return CONTROL_IMPOSSIBLE;
    if (inherit(door, opening->inherited))
        return CONTROL_OPEN; /* whatever its folder has become */
    if (!control_folder_prepare(opening->folder))
        return CONTROL_IMPOSSIBLE;
    enum control_opening got = take_lock(door, &opening->holder);
    return got == CONTROL_OPEN && !open_socket(door) ? CONTROL_IMPOSSIBLE : got;
}

/* All in one folder, or none. */
static enum control_opening open_in(struct control_doors *doors, struct opening *opening,
                                    const struct control_names *names)
{
    enum control_opening got = names->count > 0 ? CONTROL_OPEN : CONTROL_IMPOSSIBLE;

    for (size_t i = 0; i < names->count && got == CONTROL_OPEN; i++)
        got = open_door(&doors->doors[doors->count++], opening, names->names[i]);
    if (got != CONTROL_OPEN)
        control_doors_give_up(doors);
    return got;
}

enum control_opening control_doors_open(struct control_doors *doors, const char *config_path,
                                        struct control_doors *inherited,
                                        char error[CONTROL_ERROR_BYTES])
{
    struct control_folder folders[CONTROL_FOLDERS_MAX];
    struct control_names names;
    size_t count = control_folders(folders);
    enum control_opening got = CONTROL_IMPOSSIBLE;
    struct opening opening = {.inherited = inherited};

    *doors = (struct control_doors){0};
    control_names_init(&names, config_path);
    for (size_t i = 0; i < count && got == CONTROL_IMPOSSIBLE; i++) {
        opening.folder = &folders[i];
        got = open_in(doors, &opening, &names);
    }
    if (got == CONTROL_TAKEN)
        snprintf(error, CONTROL_ERROR_BYTES,
                 "a gateway runs with this configuration already, its pid is %d",
                 (int)opening.holder);
    if (got == CONTROL_IMPOSSIBLE)
        snprintf(error, CONTROL_ERROR_BYTES,
                 "there is no place for a control socket, so moongate status, reload and stop will "
                 "not find this gateway; RUNTIME_DIRECTORY may name a folder of its own");
    return got;
}
