/*
 * json_number — by the place of the first digit that is not 0; only next to the largest double do
 * the digits themselves matter.
 */
#include "base/json_number.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The largest double is 0.17976… times ten to this power. */
#define PLACES_MAX 309
/* Half a unit above it, from where on a number is rounded to infinity, has no more digits than
 * these: what comes behind them decides nothing. */
#define DIGITS_MAX 309
/* No text is so long that its digits would make up for it. */
#define EXPONENT_MAX ((int64_t)1 << 52)

struct scan {
    struct slice rest;
    int64_t places; /* of the digits before the point, from the first that is not 0; below 0: that
                       many zeros behind the point come first */
    size_t count;   /* of the digits below */
    char digits[sizeof(".") + DIGITS_MAX + sizeof("e309")];
};

static bool is_digit(struct slice text)
{
    return text.length > 0 && text.start[0] >= '0' && text.start[0] <= '9';
}

static bool take(struct slice *text, char one, char other)
{
    if (text->length == 0 || (text->start[0] != one && text->start[0] != other))
        return false;
    *text = slice_after(*text, 1);
    return true;
}

static void scan_digits(struct scan *scan, bool is_fraction)
{
    for (; is_digit(scan->rest); scan->rest = slice_after(scan->rest, 1)) {
        bool is_leading = scan->count == 0 && scan->rest.start[0] == '0';
        if (is_leading)
            scan->places -= is_fraction;
        else
            scan->places += !is_fraction;
        if (!is_leading && scan->count < DIGITS_MAX)
            scan->digits[1 + scan->count++] = scan->rest.start[0];
    }
}

static int64_t scan_exponent(struct slice text)
{
    int64_t exponent = 0;
    bool is_negative = take(&text, '-', '-');

    take(&text, '+', '+');
    for (; is_digit(text) && exponent < EXPONENT_MAX; text = slice_after(text, 1))
        exponent = 10 * exponent + (text.start[0] - '0');
    return is_negative ? -exponent : exponent;
}

bool json_number_is_finite(struct slice number)
{
    struct scan scan = {.rest = number, .digits = "."};

    take(&scan.rest, '-', '-');
    scan_digits(&scan, false);
    if (take(&scan.rest, '.', '.'))
        scan_digits(&scan, true);
    if (scan.count == 0)
        return true;
    if (take(&scan.rest, 'e', 'E'))
        scan.places += scan_exponent(scan.rest);
    if (scan.places != PLACES_MAX)
        return scan.places < PLACES_MAX;
    memcpy(scan.digits + 1 + scan.count, "e309", sizeof("e309"));
    return isfinite(strtod(scan.digits, NULL));
}
