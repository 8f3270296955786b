/*
 * script — a verb of the command line that is written in Lua: check, routes, explain, new.
 *
 * Runs in a state of its own, with a generation that is never committed: the module may build a
 * configuration into it (moongate.boot) and ask which route would match (moon_explain_ functions),
 * and has no effect on any gateway.
 */
#pragma once

struct script_options {
    const char *lua_root;
    const char *plugin_root;
    const char
        *module; /* returns a table with main(arguments, generation, plugin_root) -> exit code */
    int argc;    /* of what main is given */
    char **argv;
};

/* The exit code; 1 when it raised, which is told on standard error. */
int script_run(const struct script_options *options);
