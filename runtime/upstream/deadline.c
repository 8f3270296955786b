/*
 * deadline — the four forms.
 */
#include "upstream/deadline.h"

#include <math.h>

#define SECONDS_DIGITS_MAX      10
#define FRACTION_DIGITS_MAX     9
#define MILLISECONDS_DIGITS_MAX 12
#define GRPC_DIGITS_MAX         8

/* All of it digits, at least one and at most so many. */
static bool read_digits(struct slice text, size_t digits_max, double *number)
{
    if (text.length == 0 || text.length > digits_max)
        return false;
    *number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.start[i] < '0' || text.start[i] > '9')
            return false;
        *number = *number * 10 + (text.start[i] - '0');
    }
    return true;
}

static bool read_seconds(struct slice text, double *seconds)
{
    size_t point = slice_find(text, '.');
    double fraction = 0;

    if (!read_digits(slice_of(text.start, point), SECONDS_DIGITS_MAX, seconds))
        return false;
    if (point == text.length)
        return true;
    struct slice rest = slice_after(text, point + 1);
    if (!read_digits(rest, FRACTION_DIGITS_MAX, &fraction))
        return false;
    *seconds += fraction / pow(10, (double)rest.length);
    return true;
}

static double unit_of(char letter)
{
    switch (letter) {
    case 'H':
        return 3600;
    case 'M':
        return 60;
    case 'S':
        return 1;
    case 'm':
        return 1e-3;
    case 'u':
        return 1e-6;
    case 'n':
        return 1e-9;
    default:
        return 0;
    }
}

static bool read_grpc(struct slice text, double *seconds)
{
    double unit = text.length > 0 ? unit_of(text.start[text.length - 1]) : 0;

    if (unit <= 0 || !read_digits(slice_of(text.start, text.length - 1), GRPC_DIGITS_MAX, seconds))
        return false;
    *seconds *= unit;
    return true;
}

bool deadline_read(enum deadline_format format, struct slice text, double clock, double *left)
{
    switch (format) {
    case DEADLINE_SECONDS:
        return read_seconds(text, left);
    case DEADLINE_MILLISECONDS:
        if (!read_digits(text, MILLISECONDS_DIGITS_MAX, left))
            return false;
        *left /= 1000;
        return true;
    case DEADLINE_GRPC:
        return read_grpc(text, left);
    case DEADLINE_UNIX:
        if (!read_seconds(text, left))
            return false;
        *left -= clock;
        return true;
    }
    return false;
}

/* As few digits as "1.250" has. */
static struct slice write_seconds(double seconds, struct arena *arena)
{
    return arena_format(arena, "%.3f", floor(seconds * 1000) / 1000);
}

struct slice deadline_write(enum deadline_format format, double left, double clock,
                            struct arena *arena)
{
    double ms = floor(left * 1000);

    switch (format) {
    case DEADLINE_MILLISECONDS:
        return arena_format(arena, "%.0f", fmin(ms, 999999999999));
    case DEADLINE_GRPC:
        if (ms <= 99999999)
            return arena_format(arena, "%.0fm", ms);
        return arena_format(arena, "%.0fS", fmin(floor(left), 99999999));
    case DEADLINE_UNIX:
        return write_seconds(clock + left, arena);
    case DEADLINE_SECONDS:
        break;
    }
    return write_seconds(left, arena);
}
