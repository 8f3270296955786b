/*
 * json_syntax — fuzzes the check of JSON: in pieces as at once, and what is said to be ASCII is.
 */
#include "base/json_syntax.h"

#include <assert.h>

#include "base/utf8.h"
#include "exact_text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.start[i] > 0x7f)
            return false;
    }
    return true;
}

/* The verdict on the whole, and whether all that fits was found to be UTF-8 on the way. */
static enum json_syntax_verdict check_in_pieces(struct slice text, size_t bytes, bool *is_utf8)
{
    struct json_syntax syntax;
    enum json_syntax_verdict verdict;

    json_syntax_begin(&syntax, text);
    *is_utf8 = true;
    do {
        size_t from = syntax.at;
        verdict = json_syntax_continue(&syntax, bytes);
        size_t to = verdict == JSON_SYNTAX_FITS ? text.length : syntax.at;
        struct slice piece = slice_of(text.start + from, to - from);
        assert(syntax.may_pass_ascii || is_ascii(piece));
        if (syntax.may_pass_ascii)
            *is_utf8 &= utf8_is_valid(piece);
    } while (verdict == JSON_SYNTAX_GOES_ON);
    return verdict;
}

static void check(struct slice text, struct arena *arena)
{
    size_t offset;
    bool fits = json_syntax_check(text, &offset), is_utf8;

    assert(offset <= text.length);
    for (size_t bytes = 1; bytes <= 4096; bytes *= 16) {
        bool fits_too = check_in_pieces(text, bytes, &is_utf8) == JSON_SYNTAX_FITS;
        assert(fits == fits_too);
        if (fits)
            assert(is_utf8 == utf8_is_valid(text));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    return exact_text_check(data, size, check);
}
