/*
 * purge_verb — one option that says what, others that say how and of which gateway.
 */
#include "server/purge_verb.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "server/command_line.h"
#include "server/control.h"
#include "server/control_verb.h"

static const char USAGE[] =
    "usage: moongate purge --url URL | --prefix URL | --tag TAG | --route NAME | --all |\n"
    "                      --plugin-cache NAME  [--soft] [-c FILE] [--json]\n";

struct purge_options {
    const char *kind, *value; /* kind NULL: not said yet */
    const char *config_path;
    bool is_soft, wants_json;
};

static int wrong(const char *what, const char *why)
{
    fprintf(stderr, "moongate purge: %s%s\n%s", what, why, USAGE);
    return EXIT_USAGE;
}

static bool is_kind(const char *word)
{
    static const char *const KINDS[] = {"--url", "--prefix", "--tag", "--route", "--plugin-cache"};

    for (size_t i = 0; i < ARRAY_LENGTH(KINDS); i++) {
        if (strcmp(word, KINDS[i]) == 0)
            return true;
    }
    return false;
}

/* Takes an option and its value off `*argv`, which ends with NULL; the exit code. */
static int take_valued(char ***argv, struct purge_options *options)
{
    const char *word = *(*argv)++, *value = **argv;

    if (value == NULL || value[0] == '-')
        return wrong(word, " needs a value");
    ++*argv;
    if (strcmp(word, "-c") == 0) {
        options->config_path = value;
        return EXIT_DONE;
    }
    if (options->kind != NULL)
        return wrong(word, ": one thing at a time");
    if (value[0] == '\0' || strchr(value, '\n') != NULL)
        return wrong(word, " needs a value");
    options->kind = word + 2;
    options->value = value;
    return EXIT_DONE;
}

static int take_one(char ***argv, struct purge_options *options)
{
    const char *word = **argv;

    if (strcmp(word, "-c") == 0 || is_kind(word))
        return take_valued(argv, options);
    ++*argv;
    if (strcmp(word, "--json") == 0)
        options->wants_json = true;
    else if (strcmp(word, "--soft") == 0)
        options->is_soft = true;
    else if (strcmp(word, "--all") != 0)
        return wrong(word, " is not an option of it");
    else if (options->kind != NULL)
        return wrong(word, ": one thing at a time");
    else
        options->kind = "all";
    return EXIT_DONE;
}

int purge_verb_run(int argc, char **argv)
{
    struct purge_options options = {.value = "", .config_path = CONFIG_DEFAULT};
    char words[CONTROL_REQUEST_BYTES_MAX - 32]; /* the verb stands before them */

    for (argv += 2; *argv != NULL;) {
        int code = take_one(&argv, &options);
        if (code != EXIT_DONE)
            return code;
    }
    if (options.kind == NULL)
        return wrong("nothing", " is said to be purged");
    int length = snprintf(words, sizeof(words), "%s%s%s%s", options.is_soft ? "soft " : "",
                          options.kind, options.value[0] != '\0' ? " " : "", options.value);
    if (length >= (int)sizeof(words))
        return wrong(options.kind, " is too long");
    const struct control_question question = {
        .verb = "purge", .words = words, .wants_json = options.wants_json};
    return control_verb_run(&question, options.config_path);
}
