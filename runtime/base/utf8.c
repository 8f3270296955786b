/*
 * utf8 — the table of RFC 3629, section 4.
 */
#include "base/utf8.h"

#include <stdint.h>

#include "base/mem.h"

/* What a character that begins with a byte of [first, last] consists of. */
struct form {
    uint8_t first, last;
    uint8_t second_min, second_max; /* of its second byte; further ones are 80 to BF */
    uint8_t length;
};

static const struct form FORMS[] = {
    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const struct form *form_of(uint8_t byte)
{
    for (size_t i = 0; i < ARRAY_LENGTH(FORMS); i++) {
        if (byte >= FORMS[i].first && byte <= FORMS[i].last)
            return &FORMS[i];
    }
    return NULL;
}

size_t utf8_length(struct slice text)
{
    const struct form *form = form_of((uint8_t)text.start[0]);
    if (form == NULL || form->length > text.length)
        return 0;
    for (size_t i = 1; i < form->length; i++) {
        uint8_t byte = (uint8_t)text.start[i];
        uint8_t min = i == 1 ? form->second_min : 0x80, max = i == 1 ? form->second_max : 0xbf;
        if (byte < min || byte > max)
            return 0;
    }
    return form->length;
}

#define TOP_BITS 0x8080808080808080u

typedef uint64_t words __attribute__((vector_size(16), aligned(1), may_alias));

static bool are_ascii(const words *some)
{
    words all = some[0] | some[1] | some[2] | some[3];
    return ((all[0] | all[1]) & TOP_BITS) == 0;
}

/* What is ASCII at the beginning, of most texts all: 64 bytes at once, then 8. */
static struct slice after_ascii(struct slice text)
{
    uint64_t word;

    while (text.length >= 4 * sizeof(words) && are_ascii((const words *)text.start))
        text = slice_after(text, 4 * sizeof(words));
    for (; text.length >= sizeof(word); text = slice_after(text, sizeof(word))) {
        memcpy(&word, text.start, sizeof(word));
        if ((word & TOP_BITS) != 0)
            break;
    }
    while (text.length > 0 && (uint8_t)text.start[0] < 0x80)
        text = slice_after(text, 1);
    return text;
}

bool utf8_is_valid(struct slice text)
{
    while ((text = after_ascii(text)).length > 0) {
        size_t length = utf8_length(text);
        if (length == 0)
            return false;
        text = slice_after(text, length);
    }
    return true;
}
