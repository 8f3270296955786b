/*
 * command_line — finds the verb, reads its options, says what is wrong with them.
 *
 * `run` and `version` are C; what prints about the configuration is Lua (moongate/command/).
 */
#include "server/command_line.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bridge/script.h"
#include "server/installation.h"
#include "server/master.h"

#define CONFIG_DEFAULT "conf/gateway.lua"

static const char USAGE[] =
    "usage: moongate VERB [-c FILE] [--json]\n"
    "\n"
    "  run                    start the gateway in the foreground\n"
    "  check                  read the configuration, say all that is wrong with it\n"
    "  routes                 list the routes, in the order written\n"
    "  explain METHOD URL     say which route a request takes, and why\n"
    "                         [-H 'name: value']... [--sni NAME]\n"
    "  new plugin NAME        write a plugin, its spec and editor settings\n"
    "  version                print the version\n"
    "\n"
    "  -c FILE                the configuration; default " CONFIG_DEFAULT "\n"
    "  --json                 print for programs\n";

static const char *const SCRIPT_VERBS[] = {"check", "routes", "explain", "new"};
static const char *const ALL_VERBS[] = {"run", "check", "routes", "explain", "new", "version"};

/* Edits that turn `one` into `other`, capped: words of a command line are short. */
static size_t distance(const char *one, const char *other)
{
    enum { LENGTH_MAX = 31 };
    size_t row[LENGTH_MAX + 1], columns = strlen(other), rows = strlen(one);

    if (columns > LENGTH_MAX || rows > LENGTH_MAX)
        return LENGTH_MAX;
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t replaced = diagonal + (one[i - 1] != other[j - 1]);
            size_t removed = row[j] + 1, added = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = replaced < removed ? replaced : removed;
            if (added < row[j])
                row[j] = added;
        }
    }
    return row[columns];
}

static int wrong_verb(const char *verb)
{
    const char *nearest = NULL;
    size_t best = 3;

    for (size_t i = 0; i < ARRAY_LENGTH(ALL_VERBS); i++) {
        size_t edits = distance(verb, ALL_VERBS[i]);
        if (edits < best) {
            best = edits;
            nearest = ALL_VERBS[i];
        }
    }
    fprintf(stderr, "moongate: there is no verb \"%s\"", verb);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, "\n\n%s", USAGE);
    return EXIT_USAGE;
}

static int wrong_option(const char *verb, const char *option)
{
    fprintf(stderr, "moongate %s: \"%s\" is not an option of it\n\n%s", verb, option, USAGE);
    return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    struct master_options options = {.config_path = CONFIG_DEFAULT};

    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-c") != 0)
            return wrong_option("run", argv[i]);
        if (++i == argc) {
            fprintf(stderr, "moongate run: -c needs a file\n");
            return EXIT_USAGE;
        }
        options.config_path = argv[i];
    }
    if (!installation_find(&options.installation)) {
        fprintf(stderr,
                "moongate: its Lua files are neither in ../share/moongate beside the binary "
                "nor in a source tree above it\n");
        return EXIT_FAILED;
    }
    return master_run(&options);
}

static int version(int argc, char **argv)
{
    bool is_json = argc == 3 && strcmp(argv[2], "--json") == 0;

    if (argc > 2 && !is_json)
        return wrong_option("version", argv[2]);
    printf(is_json ? "{\"version\":\"%s\"}\n" : "moongate %s\n", MOONGATE_VERSION);
    return EXIT_DONE;
}

static int run_script(int argc, char **argv)
{
    struct installation installation;

    if (!installation_find(&installation)) {
        fprintf(stderr, "moongate: its Lua files cannot be found beside the binary\n");
        return EXIT_FAILED;
    }
    struct script_options options = {.lua_root = installation.lua_root,
                                     .plugin_root = installation.plugin_root,
                                     .module = "moongate.command",
                                     .argc = argc - 1,
                                     .argv = argv + 1};
    return script_run(&options);
}

int command_line_run(int argc, char **argv)
{
    if (argc < 2) {
        fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    const char *verb = argv[1];
    if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
        fputs(USAGE, stdout);
        return EXIT_DONE;
    }
    if (strcmp(verb, "run") == 0)
        return run(argc, argv);
    if (strcmp(verb, "version") == 0 || strcmp(verb, "--version") == 0)
        return version(argc, argv);
    for (size_t i = 0; i < ARRAY_LENGTH(SCRIPT_VERBS); i++) {
        if (strcmp(verb, SCRIPT_VERBS[i]) == 0)
            return run_script(argc, argv);
    }
    return wrong_verb(verb);
}
