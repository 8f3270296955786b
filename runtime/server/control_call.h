/*
 * control_call — one question to the gateway that runs with a configuration, and its answer.
 *
 * For the command line: it waits. Never longer than the gateway has promised.
 */
#pragma once

#include "base/buffer.h"
#include "server/control_door.h"

enum control_called {
    CONTROL_DONE,
    CONTROL_FAILED, /* the gateway says why */
    CONTROL_NOBODY, /* no gateway runs with this configuration */
    CONTROL_BROKEN, /* it does not answer, or not to us */
    CONTROL_AGAIN   /* never returned: another gateway answers there now */
};

struct control_question {
    const char *verb;
    const char *words; /* that follow it, with a blank between them; NULL: none */
    bool wants_json;
};

/*
 * `answer` is initialised here and cleared by the caller: what the gateway says, or a sentence
 * where it was not reached.
 */
enum control_called control_call(const char *config_path, const struct control_question *question,
                                 struct buffer *answer);
