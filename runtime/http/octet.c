/*
 * octet — the table of sets, by ranges of bytes that belong to the same ones.
 */
#include "http/octet.h"

#include <endian.h>
#include <string.h>

/* clang-format off */
#define VALUE OCTET_VALUE                                /* of a field value alone */
#define NAME (OCTET_VALUE | OCTET_TOKEN)                 /* but not of a URI */
#define DELIMITER (OCTET_VALUE | OCTET_TARGET)           /* of a URI, but not of a token */
#define MARK (OCTET_VALUE | OCTET_TARGET | OCTET_TOKEN)  /* of a URI and of a token, but reserved */
#define LETTER (MARK | OCTET_UNRESERVED)
#define HEX (LETTER | OCTET_HEX)
#define DIGIT (HEX | OCTET_DIGIT)

const uint8_t OCTETS[256] = {
    ['\t'] = VALUE, [' '] = VALUE, ['"'] = VALUE, ['<'] = VALUE, ['>'] = VALUE, ['\\'] = VALUE,
    ['{'] = VALUE, ['}'] = VALUE, [0x80 ... 0xff] = VALUE,
    ['#'] = NAME, ['^'] = NAME, ['`'] = NAME, ['|'] = NAME,
    ['('] = DELIMITER, [')'] = DELIMITER, [','] = DELIMITER, ['/'] = DELIMITER, [':'] = DELIMITER,
    [';'] = DELIMITER, ['='] = DELIMITER, ['?'] = DELIMITER, ['@'] = DELIMITER, ['['] = DELIMITER,
    [']'] = DELIMITER,
    ['!'] = MARK, ['$'] = MARK, ['%'] = MARK, ['&'] = MARK, ['\''] = MARK, ['*'] = MARK,
    ['+'] = MARK,
    ['-'] = LETTER, ['.'] = LETTER, ['_'] = LETTER, ['~'] = LETTER,
    ['G' ... 'Z'] = LETTER, ['g' ... 'z'] = LETTER,
    ['A' ... 'F'] = HEX, ['a' ... 'f'] = HEX, ['0' ... '9'] = DIGIT,
};
/* clang-format on */

/* Sets the top bit of the first byte that is a control character; maybe also those of later bytes.
 */
static uint64_t controls_in(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t delete = word ^ (ones * 0x7f);
    uint64_t below_blank = (word - ones * 0x20) & ~word;
    uint64_t is_delete = (delete - ones) & ~delete;

    return (below_blank | is_delete) & tops;
}

/* Eight bytes at once. */
const char *octet_value_end(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t controls = controls_in(le64toh(word));
        if (controls == 0) {
            at += 8;
            continue;
        }
        at += __builtin_ctzll(controls) / 8;
        if (*at != '\t')
            return at;
        at++;
    }
    while (at < end && octet_is(*at, OCTET_VALUE))
        at++;
    return at;
}
