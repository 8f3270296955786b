/*
 * installation — looks beside /proc/self/exe.
 */
#include "server/installation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Relative to the folder of the binary. */
static const char *const PLACES[] = {"../share/moongate", "../..", "../../.."};

static bool has_lua(const char *root, struct installation *installation)
{
    char probe[PATH_MAX];
    size_t room = sizeof(installation->lua_root);

    if (snprintf(installation->lua_root, room, "%s/lua", root) >= (int)room ||
        snprintf(installation->plugin_root, room, "%s/plugins", root) >= (int)room ||
        snprintf(probe, sizeof(probe), "%s/lua/moongate/init.lua", root) >= (int)sizeof(probe))
        return false;
    return access(probe, R_OK) == 0;
}

bool installation_find(struct installation *installation)
{
    char folder[PATH_MAX], place[PATH_MAX], root[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);

    if (length < 0)
        return false;
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
        if (snprintf(place, sizeof(place), "%s/%s", folder, PLACES[i]) >= (int)sizeof(place))
            continue;
        /* Without "..": it is shown in tracebacks, and written into editors' settings. */
        if (realpath(place, root) != NULL && has_lua(root, installation))
            return true;
    }
    return false;
}
