/*
 * limit_fields — what a request's answer says of the limits that it came under: the fields
 * RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-11.
 *
 * The steps of its chain note the numbers, which differ in each answer, in the request phase; they
 * are written in the response phase, from Lua or without it, and never are texts of Lua.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct decision;
struct limit_note;
struct limit_told;

/* In the exchange's arena: at most one for each limit of its chain. Zeroed: none. */
struct limit_notes {
    struct limit_note *first, *last;
    uint32_t count;
};

/* What the answer tells of a limit, in the place of what was noted of it before. */
void limit_fields_note(struct decision *decision, const struct limit_told *told, uint64_t left,
                       uint64_t seconds);

/* What one note adds to an answer. */
#define LIMIT_NOTE_FIELDS 2

/* Adds the fields of what the step that runs has noted, in the order in which it was. False: there
 * are too many. */
bool limit_fields_write(struct decision *decision);
