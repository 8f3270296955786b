/*
 * byte_ranges — read one by one, then merged where they touch.
 */
#include "http/byte_ranges.h"

#include "http/octet.h"

/* Overlaps of two may be an accident; more are made on purpose. */
#define OVERLAPS_MAX 2

enum spec { SPEC_FAULTY, SPEC_BEYOND, SPEC_RANGE };

/* Digits; false for none, or what does not fit. */
static bool take_number(struct slice *text, uint64_t *number)
{
    size_t digits = 0;
    while (digits < text->length && octet_is(text->start[digits], OCTET_DIGIT))
        digits++;
    bool is_number = slice_to_uint64(slice_of(text->start, digits), number);
    *text = slice_after(*text, digits);
    return is_number;
}

static enum spec read_suffix(struct slice text, uint64_t bytes, struct byte_range *range)
{
    uint64_t length;

    if (!take_number(&text, &length) || text.length > 0)
        return SPEC_FAULTY;
    if (length == 0 || bytes == 0)
        return SPEC_BEYOND;
    *range = (struct byte_range){length < bytes ? bytes - length : 0, bytes - 1};
    return SPEC_RANGE;
}

/* "0-4", "5-", "-5" (RFC 9110, 14.1.2). */
static enum spec read_spec(struct slice text, uint64_t bytes, struct byte_range *range)
{
    if (text.length > 0 && text.start[0] == '-')
        return read_suffix(slice_after(text, 1), bytes, range);
    if (!take_number(&text, &range->first) || text.length == 0 || text.start[0] != '-')
        return SPEC_FAULTY;
    text = slice_after(text, 1);
    range->last = UINT64_MAX;
    if (text.length > 0 && (!take_number(&text, &range->last) || text.length > 0))
        return SPEC_FAULTY;
    if (range->last < range->first)
        return SPEC_FAULTY;
    if (range->first >= bytes)
        return SPEC_BEYOND;
    if (range->last >= bytes)
        range->last = bytes - 1;
    return SPEC_RANGE;
}

static bool touches(const struct byte_range *one, const struct byte_range *other)
{
    return one->first <= other->last + 1 && other->first <= one->last + 1;
}

static bool overlaps(const struct byte_range *one, const struct byte_range *other)
{
    return one->first <= other->last && other->first <= one->last;
}

/* Joins whatever touches, into the earlier one, until nothing does; counts the overlaps. */
static unsigned merge(struct byte_ranges *ranges)
{
    unsigned overlapping = 0;

    for (unsigned i = 0; i < ranges->count; i++) {
        for (unsigned j = i + 1; j < ranges->count; j++) {
            struct byte_range *one = &ranges->items[i], *other = &ranges->items[j];
            if (!touches(one, other))
                continue;
            overlapping += overlaps(one, other);
            if (other->first < one->first)
                one->first = other->first;
            if (other->last > one->last)
                one->last = other->last;
            ranges->count--;
            memmove(other, other + 1, (ranges->count - j) * sizeof(*other));
            j = i; /* it has grown: what did not touch it before may now */
        }
    }
    return overlapping;
}

static uint64_t sum_of(const struct byte_ranges *ranges)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < ranges->count; i++)
        sum += ranges->items[i].last - ranges->items[i].first + 1;
    return sum;
}

/* False: malformed, or too many. */
static bool read_set(struct slice set, uint64_t bytes, struct byte_ranges *ranges, unsigned *specs)
{
    struct slice element;
    struct byte_range range;

    *specs = 0;
    ranges->count = 0;
    while (slice_next_element(&set, &element)) {
        if (++*specs > BYTE_RANGES_MAX)
            return false;
        switch (read_spec(element, bytes, &range)) {
        case SPEC_FAULTY:
            return false;
        case SPEC_BEYOND:
            break;
        case SPEC_RANGE:
            ranges->items[ranges->count++] = range;
            break;
        }
    }
    return *specs > 0;
}

enum byte_ranges_result byte_ranges_parse(struct slice field, uint64_t bytes,
                                          struct byte_ranges *ranges)
{
    unsigned specs;
    struct slice unit = slice_of(field.start, slice_find(field, '='));

    ranges->count = 0;
    if (unit.length == field.length || !slice_equals_ignoring_case(unit, SLICE("bytes")))
        return BYTE_RANGES_NONE;
    if (!read_set(slice_after(field, unit.length + 1), bytes, ranges, &specs))
        return BYTE_RANGES_NONE;
    if (ranges->count == 0)
        return BYTE_RANGES_UNSATISFIABLE;
    if (merge(ranges) > OVERLAPS_MAX)
        return BYTE_RANGES_NONE;
    /* Several that are all of it together gain nothing; one that is, was asked for. */
    if (specs > 1 && sum_of(ranges) >= bytes)
        return BYTE_RANGES_NONE;
    return BYTE_RANGES_SATISFIABLE;
}
