/*
 * handover_word — one message between two masters: a word, and what belongs to it.
 */
#pragma once

#include "server/channel.h"

/* Descriptors are borrowed; what does not fit of `rest` is cut off. False, with errno, when it was
 * not sent. */
bool handover_word_send(const struct channel *channel, const char *word, struct slice rest,
                        const int *fds, size_t fd_count);
/* False when it is no such message. Both are as valid as its text. */
bool handover_word_read(const struct channel_message *message, struct slice *word,
                        struct slice *rest);
