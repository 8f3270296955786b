/*
 * export_json — whether a text is JSON, or may stand in one as it is, for Lua.
 */
#include "base/json_syntax.h"
#include "bridge/exports.h"

double moon_json_fault(const char *text, size_t length)
{
    size_t offset = 0;
    return json_syntax_check(exports_slice(text, length), &offset) ? -1 : (double)offset;
}

typedef unsigned char octets __attribute__((vector_size(16)));

static bool are_plain(octets text)
{
    octets special =
        (octets)((text == '"') | (text == '\\') | (text < ' ') | (text >= (unsigned char)127));
    uint64_t halves[2];

    memcpy(halves, &special, sizeof(halves));
    return (halves[0] | halves[1]) == 0;
}

/* Sixteen bytes at once; what is left stands among blanks. */
bool moon_is_plain(const char *text, size_t length)
{
    octets some = {0};

    for (; length >= sizeof(some); text += sizeof(some), length -= sizeof(some)) {
        memcpy(&some, text, sizeof(some));
        if (!are_plain(some))
            return false;
    }
    memset(&some, ' ', sizeof(some));
    memcpy(&some, text, length);
    return are_plain(some);
}
