/*
 * control_path — digests of paths, and folders that nobody else may write to.
 */
#include "server/control_path.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/sha256.h"

#define FOLDER_MODE 0700

/* Appends the part, or takes back the last one for "..". */
static bool add_part(char path[PATH_MAX], size_t *length, const char *part, size_t part_length)
{
    if (part_length == 0 || (part_length == 1 && part[0] == '.'))
        return true;
    if (part_length == 2 && memcmp(part, "..", 2) == 0) {
        while (*length > 0 && path[--*length] != '/')
            continue;
        return true;
    }
    if (*length + 1 + part_length >= PATH_MAX)
        return false;
    path[(*length)++] = '/';
    memcpy(path + *length, part, part_length);
    *length += part_length;
    return true;
}

static bool add_parts(char path[PATH_MAX], size_t *length, const char *parts)
{
    while (*parts != '\0') {
        size_t part_length = strcspn(parts, "/");
        if (!add_part(path, length, parts, part_length))
            return false;
        parts += part_length;
        parts += *parts == '/';
    }
    return true;
}

/* Follows no symlink. */
static bool make_absolute(const char *written, char path[PATH_MAX])
{
    char here[PATH_MAX];
    size_t length = 0;

    if (written[0] != '/' &&
        (getcwd(here, sizeof(here)) == NULL || !add_parts(path, &length, here)))
        return false;
    if (!add_parts(path, &length, written))
        return false;
    path[length] = '\0';
    return true;
}

static void add_name(struct control_names *names, const char *path)
{
    char digest[SHA256_BYTES];
    char *name = names->names[names->count];

    sha256_of(slice_from_string(path), digest);
    for (size_t i = 0; i < (CONTROL_NAME_BYTES - 1) / 2; i++)
        snprintf(name + 2 * i, 3, "%02x", (unsigned char)digest[i]);
    names->count++;
}

void control_names_init(struct control_names *names, const char *config_path)
{
    char absolute[PATH_MAX], real[PATH_MAX];

    *names = (struct control_names){0};
    bool is_absolute = make_absolute(config_path, absolute);
    if (is_absolute)
        add_name(names, absolute);
    if (realpath(config_path, real) != NULL && !(is_absolute && strcmp(real, absolute) == 0))
        add_name(names, real);
}

bool control_folder_is_own(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* One that the system has made for us may be seen by others. */
static bool nobody_else_writes(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool control_folder_prepare(const struct control_folder *folder)
{
    mkdir(folder->path, FOLDER_MODE); /* what became of it is looked at next */
    return folder->is_guessable ? control_folder_is_own(folder->path)
                                : nobody_else_writes(folder->path);
}

static void add_folder(struct control_folder folders[CONTROL_FOLDERS_MAX], size_t *count,
                       const char *root, const char *rest, bool is_guessable)
{
    struct control_folder *folder = &folders[*count];

    assert(*count < CONTROL_FOLDERS_MAX);
    if (root == NULL || root[0] != '/')
        return;
    folder->is_guessable = is_guessable;
    /* systemd gives a list of folders, separated by colons. */
    int length =
        snprintf(folder->path, sizeof(folder->path), "%.*s%s", (int)strcspn(root, ":"), root, rest);
    if (length < (int)sizeof(folder->path))
        ++*count;
}

size_t control_folders(struct control_folder folders[CONTROL_FOLDERS_MAX])
{
    size_t count = 0;
    char own[CONTROL_PATH_BYTES];

    snprintf(own, sizeof(own), "/tmp/moongate-%u", (unsigned)geteuid());
    add_folder(folders, &count, getenv("RUNTIME_DIRECTORY"), "", false);
    add_folder(folders, &count, "/run/moongate", "", false);
    add_folder(folders, &count, getenv("XDG_RUNTIME_DIR"), "/moongate", false);
    add_folder(folders, &count, own, "", true);
    return count;
}

bool control_path_of(const struct control_folder *folder, const char *name, const char *ending,
                     char path[CONTROL_PATH_BYTES])
{
    int length = snprintf(path, CONTROL_PATH_BYTES, "%s/%s%s", folder->path, name, ending);
    return length < (int)CONTROL_PATH_BYTES;
}
