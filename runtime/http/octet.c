/*
 * octet — the table of sets, by ranges of bytes that belong to the same ones.
 */
#include "http/octet.h"

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
