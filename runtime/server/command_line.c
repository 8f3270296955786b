/*
 * command_line — finds the verb, reads its options, says what is wrong with them.
 *
 * What prints about a configuration is Lua (moongate/command/); a running gateway is asked by
 * control_verb.c.
 */
#include "server/command_line.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bridge/script.h"
#include "server/control.h"
#include "server/control_verb.h"
#include "server/installation.h"
#include "server/master.h"
#include "server/purge_verb.h"

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
    "of the gateway that runs with the configuration:\n"
    "  status                 say how it is\n"
    "  upstream [NAME]        list the targets of upstreams\n"
    "  upstream drain|disable|enable|reset NAME TARGET\n"
    "  upstream weight NAME TARGET NUMBER\n"
    "                         say what a target gets, until it is reset\n"
    "  reload                 read the files again and run what they say; says what is wrong\n"
    "  diff                   say what a reload would change\n"
    "  rollback               go back to what ran before, until the next reload\n"
    "  purge WHAT             forget cached answers: --url URL, --prefix URL, --tag TAG,\n"
    "                         --route NAME or --all; --soft: they become stale;\n"
    "                         or what plugins cache: --plugin-cache NAME\n"
    "  upgrade                start the program as it is by now in its place\n"
    "  stop                   let it finish its requests and end; returns when it has\n"
    "\n"
    "  -c FILE                the configuration; default " CONFIG_DEFAULT "\n"
    "  --json                 print for programs\n"
    "\n"
    "exit codes: 0 done, 1 failed, 2 called wrongly\n";

static int wrong_option(const char *verb, const char *option)
{
    fprintf(stderr, "moongate %s: \"%s\" is not an option of it\n\n%s", verb, option, USAGE);
    return EXIT_USAGE;
}

/* What verbs written in C may be given. */
struct options {
    const char *config_path;
    bool wants_json;
    bool takes_words;
    char words[CONTROL_REQUEST_BYTES_MAX]; /* with a blank between them */
};

/* False when it is no word, or there is no room for it. */
static bool add_word(struct options *options, const char *word)
{
    size_t length = strlen(options->words), room = sizeof(options->words) - length;

    for (const char *c = word; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')
            return false;
    }
    if (!options->takes_words || word[0] == '-' || word[0] == '\0' || strlen(word) + 64 > room)
        return false;
    snprintf(options->words + length, room, "%s%s", length > 0 ? " " : "", word);
    return true;
}

/* False when it has been said what is wrong. */
static bool take_options(int argc, char **argv, struct options *options)
{
    const char *verb = argv[1];

    options->config_path = CONFIG_DEFAULT;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options->wants_json = true;
        } else if (strcmp(argv[i], "-c") != 0) {
            if (add_word(options, argv[i]))
                continue;
            wrong_option(verb, argv[i]);
            return false;
        } else if (++i == argc) {
            fprintf(stderr, "moongate %s: -c needs a file\n", verb);
            return false;
        } else {
            options->config_path = argv[i];
        }
    }
    return true;
}

static int find_installation(struct installation *installation)
{
    if (installation_find(installation))
        return EXIT_DONE;
    fprintf(stderr, "moongate: its Lua files are neither in ../share/moongate beside the binary "
                    "nor in a source tree above it\n");
    return EXIT_FAILED;
}

static int run(int argc, char **argv)
{
    struct options given = {.takes_words = false};
    struct master_options options;

    if (!take_options(argc, argv, &given))
        return EXIT_USAGE;
    if (given.wants_json)
        return wrong_option("run", "--json");
    options.config_path = given.config_path;
    options.arguments = argv;
    int code = find_installation(&options.installation);
    return code == EXIT_DONE ? master_run(&options) : code;
}

static int version(int argc, char **argv)
{
    bool is_json = argc == 3 && strcmp(argv[2], "--json") == 0;

    if (argc > 2 && !is_json)
        return wrong_option("version", argv[2]);
    printf(is_json ? "{\"version\":\"%s\"}\n" : "moongate %s\n", MOONGATE_VERSION);
    return EXIT_DONE;
}

static int ask(int argc, char **argv, bool takes_words)
{
    struct options given = {.takes_words = takes_words};

    if (!take_options(argc, argv, &given))
        return EXIT_USAGE;
    const struct control_question question = {
        .verb = argv[1],
        .words = given.words[0] != '\0' ? given.words : NULL,
        .wants_json = given.wants_json,
    };
    return control_verb_run(&question, given.config_path);
}

static int ask_gateway(int argc, char **argv)
{
    return ask(argc, argv, false);
}

static int ask_about_upstreams(int argc, char **argv)
{
    return ask(argc, argv, true);
}

static int run_module(const char *module, int argc, char **argv)
{
    struct installation installation;
    int code = find_installation(&installation);

    if (code != EXIT_DONE)
        return code;
    struct script_options options = {.lua_root = installation.lua_root,
                                     .plugin_root = installation.plugin_root,
                                     .module = module,
                                     .argc = argc,
                                     .argv = argv};
    return script_run(&options);
}

static int run_script(int argc, char **argv)
{
    return run_module("moongate.command", argc - 1, argv + 1);
}

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
} VERBS[] = {
    {"run", run},
    {"check", run_script},
    {"routes", run_script},
    {"explain", run_script},
    {"new", run_script},
    {"version", version},
    {"status", ask_gateway},
    {"upstream", ask_about_upstreams},
    {"reload", ask_gateway},
    {"diff", ask_gateway},
    {"rollback", ask_gateway},
    {"purge", purge_verb_run},
    {"upgrade", ask_gateway},
    {"stop", ask_gateway},
};

/* The verb, then those that there are, for Lua to find the nearest. */
static int wrong_verb(char *verb)
{
    char *words[ARRAY_LENGTH(VERBS) + 1] = {verb};

    for (size_t i = 0; i < ARRAY_LENGTH(VERBS); i++)
        words[i + 1] = (char *)VERBS[i].name;
    run_module("moongate.command.unknown", ARRAY_LENGTH(words), words);
    fprintf(stderr, "\n%s", USAGE);
    return EXIT_USAGE;
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
    if (strcmp(verb, "--version") == 0)
        return version(argc, argv);
    for (size_t i = 0; i < ARRAY_LENGTH(VERBS); i++) {
        if (strcmp(verb, VERBS[i].name) == 0)
            return VERBS[i].run(argc, argv);
    }
    return wrong_verb(argv[1]);
}
