/*
 * http_date — a pattern for each form, then days by the Gregorian calendar.
 */
#include "http/http_date.h"

#include <assert.h>
#include <time.h>

#include "http/octet.h"

#define DAY_SECONDS 86400

struct parts {
    int year, month, day, hour, minute, second; /* month from 1 */
};

static const char DAYS[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                 "Thursday", "Friday", "Saturday"};
static const char MONTHS[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* The text that is still to be read; `start` is NULL once something was wrong. */
static void take(struct slice *text, const char *expected)
{
    size_t length = strlen(expected);
    if (text->start == NULL || !slice_starts_with(*text, slice_of(expected, length)))
        *text = SLICE_NONE;
    else
        *text = slice_after(*text, length);
}

static int take_digits(struct slice *text, size_t count)
{
    int number = 0;

    if (text->start == NULL || text->length < count) {
        *text = SLICE_NONE;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!octet_is(text->start[i], OCTET_DIGIT)) {
            *text = SLICE_NONE;
            return 0;
        }
        number = number * 10 + (text->start[i] - '0');
    }
    *text = slice_after(*text, count);
    return number;
}

/* From 1; 0 for none. */
static int take_month(struct slice *text)
{
    for (int i = 0; i < 12; i++) {
        if (text->start != NULL && slice_starts_with(*text, slice_of(MONTHS[i], 3))) {
            *text = slice_after(*text, 3);
            return i + 1;
        }
    }
    *text = SLICE_NONE;
    return 0;
}

static void take_clock(struct slice *text, struct parts *parts)
{
    parts->hour = take_digits(text, 2);
    take(text, ":");
    parts->minute = take_digits(text, 2);
    take(text, ":");
    parts->second = take_digits(text, 2);
}

/* A day's name in full, or its first three letters. */
static bool take_day(struct slice *text, bool is_full)
{
    for (size_t i = 0; i < 7; i++) {
        struct slice name = slice_of(DAYS[i], is_full ? strlen(DAYS[i]) : 3);
        if (slice_starts_with(*text, name)) {
            *text = slice_after(*text, name.length);
            return true;
        }
    }
    return false;
}

static bool is_read(struct slice text)
{
    return text.start != NULL && text.length == 0;
}

static bool parse_fixed(struct slice text, struct parts *parts)
{
    if (!take_day(&text, false))
        return false;
    take(&text, ", ");
    parts->day = take_digits(&text, 2);
    take(&text, " ");
    parts->month = take_month(&text);
    take(&text, " ");
    parts->year = take_digits(&text, 4);
    take(&text, " ");
    take_clock(&text, parts);
    take(&text, " GMT");
    return is_read(text);
}

/* The year is of this century, or of the last one where it would be far ahead. */
static int full_year(int digits, int64_t now)
{
    time_t seconds = (time_t)now;
    struct tm today;

    if (gmtime_r(&seconds, &today) == NULL)
        return 1900 + digits;
    int this_year = today.tm_year + 1900;
    int year = this_year - this_year % 100 + digits;
    return year > this_year + 50 ? year - 100 : year;
}

static bool parse_rfc850(struct slice text, int64_t now, struct parts *parts)
{
    if (!take_day(&text, true))
        return false;
    take(&text, ", ");
    parts->day = take_digits(&text, 2);
    take(&text, "-");
    parts->month = take_month(&text);
    take(&text, "-");
    parts->year = full_year(take_digits(&text, 2), now);
    take(&text, " ");
    take_clock(&text, parts);
    take(&text, " GMT");
    return is_read(text);
}

static bool parse_asctime(struct slice text, struct parts *parts)
{
    if (!take_day(&text, false))
        return false;
    take(&text, " ");
    parts->month = take_month(&text);
    take(&text, " ");
    bool is_padded = text.start != NULL && text.length > 0 && text.start[0] == ' ';
    if (is_padded)
        text = slice_after(text, 1);
    parts->day = take_digits(&text, is_padded ? 1 : 2);
    take(&text, " ");
    take_clock(&text, parts);
    take(&text, " ");
    parts->year = take_digits(&text, 4);
    return is_read(text);
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool exists(const struct parts *parts)
{
    static const int MONTH_DAYS[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (parts->year < 1 || parts->month < 1 || parts->day < 1)
        return false;
    int days = MONTH_DAYS[parts->month - 1] + (parts->month == 2 && is_leap(parts->year) ? 1 : 0);
    return parts->day <= days && parts->hour <= 23 && parts->minute <= 59 && parts->second <= 60;
}

/* Years that begin in March, so that the odd day is a year's last one. */
static int64_t days_since_epoch(const struct parts *parts)
{
    int64_t year = parts->month <= 2 ? parts->year - 1 : parts->year;
    int64_t day_of_year = (153 * ((parts->month + 9) % 12) + 2) / 5 + parts->day - 1;

    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

bool http_date_parse(struct slice text, int64_t now, int64_t *seconds)
{
    struct parts parts = {0};

    if (!parse_fixed(text, &parts) && !parse_rfc850(text, now, &parts) &&
        !parse_asctime(text, &parts))
        return false;
    if (!exists(&parts))
        return false;
    int seconds_of_day = (parts.hour * 60 + parts.minute) * 60 + parts.second;
    *seconds = days_since_epoch(&parts) * DAY_SECONDS + seconds_of_day;
    return true;
}

struct slice http_date_text(int64_t seconds, struct arena *arena)
{
    time_t time = (time_t)seconds;
    struct tm at;

    struct tm *known = gmtime_r(&time, &at);
    assert(known != NULL && at.tm_year > -1900 && at.tm_year <= 8099);
    return arena_format(arena, "%.3s, %02d %s %04d %02d:%02d:%02d GMT", DAYS[at.tm_wday],
                        at.tm_mday, MONTHS[at.tm_mon], at.tm_year + 1900, at.tm_hour, at.tm_min,
                        at.tm_sec);
}
