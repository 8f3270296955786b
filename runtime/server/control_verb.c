/*
 * control_verb — printing what a gateway answers: what was done to standard output, what is wrong
 * to standard error, and both to standard output for programs.
 */
#include "server/control_verb.h"

#include <stdio.h>

#include "base/json_writer.h"
#include "server/command_line.h"

#define ERROR_BYTES_MAX 4096

static void print_json_error(struct slice sentence)
{
    struct buffer text;
    struct json_writer writer;

    buffer_init(&text, ERROR_BYTES_MAX, NULL);
    json_writer_init(&writer, &text);
    json_writer_open_object(&writer, NULL);
    json_writer_put_flag(&writer, "ok", false);
    json_writer_put_text(&writer, "error", sentence);
    json_writer_close_object(&writer);
    printf("%.*s\n", SLICE_FORMAT(buffer_slice(&text)));
    buffer_clear(&text);
}

int control_verb_run(const struct control_question *question, const char *config_path)
{
    struct buffer answer;
    enum control_called how = control_call(config_path, question, &answer);
    bool wants_json = question->wants_json;
    struct slice text = buffer_slice(&answer);
    bool is_answer = how == CONTROL_DONE || how == CONTROL_FAILED;

    if (!is_answer && wants_json)
        print_json_error(text);
    else if (!is_answer)
        fprintf(stderr, "moongate %s: %s: %.*s\n", question->verb, config_path, SLICE_FORMAT(text));
    else
        fwrite(text.start, 1, text.length, how == CONTROL_DONE || wants_json ? stdout : stderr);
    buffer_clear(&answer);
    return how == CONTROL_DONE ? EXIT_DONE : EXIT_FAILED;
}
