/*
 * succession — in a worker: the next generation on its way to being the current one, step by step
 * as the master tells.
 *
 * BUILD: in the background. START: on the loop, beside the one that serves. SWAP: it is handed to
 * the worker as the current one. ABANDON, at any step: it goes, and nothing has changed.
 */
#pragma once

#include "bridge/generation.h"
#include "server/channel.h"
#include "server/installation.h"

struct succession;

struct succession_options {
    const char *config_path;
    const struct installation *installation;
    const struct services *services; /* the worker's */
    const struct plan *plan;         /* of the current generation, kept up to date by the worker */
    const struct channel *channel;   /* to the master */
    /* The generation, which is the callee's, becomes the current one. `fds`, the callee's, too: of
     * the listeners of its plan that are new, in their order. */
    void (*swap)(void *data, struct generation *generation, const int *fds);
    void *data;
};

struct succession *succession_create(const struct succession_options *options);
/* What is on its way is abandoned. */
void succession_destroy(struct succession **succession);
/* May take descriptors out of the message. */
void succession_on_message(struct succession *succession, struct channel_message *message);
