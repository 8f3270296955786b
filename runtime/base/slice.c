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

static bool is_same_word(const char *one, const char *other, size_t length)
{
    return slice_lower_word(slice_word(one, length)) == slice_lower_word(slice_word(other, length));
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
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

struct slice slice_of_uint64(uint64_t number, char digits[SLICE_DIGITS_MAX])
{
    size_t count = 0;

    do {
        digits[SLICE_DIGITS_MAX - ++count] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return slice_of(digits + SLICE_DIGITS_MAX - count, count);
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
    if (one.length != other.length)
        return false;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < one.length; i++)
        difference = (unsigned char)(difference | (one.start[i] ^ other.start[i]));
    return difference == 0;
}
