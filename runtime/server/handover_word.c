/*
 * handover_word — a blank stands between the two.
 */
#include "server/handover_word.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"

bool handover_word_send(const struct channel *channel, const char *word, struct slice rest,
                        const int *fds, size_t fd_count)
{
    struct channel_message message = {.kind = CHANNEL_HANDOVER, .ok = true, .fd_count = fd_count};
    struct buffer text;

    assert(fd_count <= CHANNEL_FDS_MAX);
    buffer_init(&text, strlen(word) + 1 + rest.length, NULL);
    buffer_append(&text, slice_from_string(word));
    buffer_append(&text, SLICE(" "));
    buffer_append(&text, rest);
    message.text = buffer_slice(&text);
    if (fd_count > 0)
        memcpy(message.fds, fds, fd_count * sizeof(*fds));
    bool is_sent = channel_send(channel, &message);
    buffer_clear(&text);
    return is_sent;
}

bool handover_word_read(const struct channel_message *message, struct slice *word,
                        struct slice *rest)
{
    struct slice text = message->text;
    size_t length = slice_find(text, ' ');

    *word = slice_of(text.start, length);
    *rest = slice_after(text, length < text.length ? length + 1 : length);
    return message->kind == CHANNEL_HANDOVER;
}
