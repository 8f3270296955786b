/*
 * installation — where the program's own Lua lies: beside the binary, installed or in a build tree.
 */
#pragma once

#include <linux/limits.h>
#include <stdbool.h>

struct installation {
    char lua_root[PATH_MAX];    /* holds moongate/ */
    char plugin_root[PATH_MAX]; /* the bundled plugins */
};

/* PREFIX/bin/moongate: PREFIX/share/moongate; BUILD/moongate: the source tree two folders up. False
 * when neither is there. */
bool installation_find(struct installation *installation);
