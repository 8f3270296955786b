/*
 * slice — comparing, trimming and reading runs of bytes.
 */
#include "base/slice.h"

#include "base/mem.h"

char *slice_to_string(struct slice slice)
{
    char *copy = mem_alloc(slice.length + 1);

    if (slice.length > 0)
        memcpy(copy, slice.start, slice.length);
    copy[slice.length] = '\0';
    return copy;
}

/* Most names are written alike. */
static bool is_same_word(const char *one, const char *other, size_t length)
{
    uint64_t its = slice_word(one, length), others = slice_word(other, length);
    return its == others || slice_lower_word(its) == slice_lower_word(others);
}

/* Words that may overlap, the last one at the end. */
bool slice_equals_ignoring_case(struct slice one, struct slice other)
{
    size_t length = one.length;

    if (length != other.length)
        return false;
    if (length == 0)
        return true;
    for (size_t at = 0; at + 8 < length; at += 8) {
        if (!is_same_word(one.start + at, other.start + at, 8))
            return false;
    }
    size_t last = length > 8 ? length - 8 : 0;
    return is_same_word(one.start + last, other.start + last, length - last);
}

bool slice_starts_with(struct slice slice, struct slice prefix)
{
    return slice.length >= prefix.length &&
           (prefix.length == 0 || memcmp(slice.start, prefix.start, prefix.length) == 0);
}

size_t slice_find(struct slice slice, char c)
{
    const char *found = slice.length > 0 ? memchr(slice.start, c, slice.length) : NULL;
    return found != NULL ? (size_t)(found - slice.start) : slice.length;
}

bool slice_to_uint64(struct slice slice, uint64_t *number)
{
    uint64_t sum = 0;

    if (slice.length == 0)
        return false;
    for (size_t i = 0; i < slice.length; i++) {
        if (slice.start[i] < '0' || slice.start[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(slice.start[i] - '0');
        if (i + 1 >= SLICE_DIGITS_MAX && sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

/* Two digits at a time: a division is what takes long. */
static const char PAIRS[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

struct slice slice_of_uint64(uint64_t number, char digits[SLICE_DIGITS_MAX])
{
    char *end = digits + SLICE_DIGITS_MAX, *start = end;

    while (number >= 10) {
        start -= 2;
        memcpy(start, PAIRS + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number > 0 || start == end)
        *--start = (char)('0' + number);
    return slice_of(start, (size_t)(end - start));
}

bool slice_next_element(struct slice *rest, struct slice *element)
{
    while (rest->length > 0) {
        size_t comma = slice_find(*rest, ',');
        *element = slice_trimmed(slice_of(rest->start, comma));
        *rest = slice_after(*rest, comma < rest->length ? comma + 1 : comma);
        if (element->length > 0)
            return true;
    }
    return false;
}

bool slice_list_has(struct slice list, struct slice token)
{
    struct slice element;
    while (slice_next_element(&list, &element)) {
        if (slice_equals_ignoring_case(element, token))
            return true;
    }
    return false;
}

bool slice_equals_secret(struct slice one, struct slice other)
{
    size_t length = one.length;
    uint64_t difference = 0;

    if (length != other.length)
        return false;
    for (size_t at = 0; at < length; at += 8) {
        /* The last eight of them overlap with those before, where there are any. */
        size_t from = length - at >= 8 || length < 8 ? at : length - 8;
        difference |= slice_word(one.start + from, length - from) ^
                      slice_word(other.start + from, length - from);
        /* The compiler does not know what it is by now: it cannot end the loop early. */
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}
