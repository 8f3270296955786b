/*
 * date_field — the Date of answers that have none (RFC 9110, 6.6.1): a text made once a second.
 */
#pragma once

#include <time.h>

#define DATE_FIELD_BYTES 30

struct arena;
struct response;

/* All zero at first. */
struct date_field {
    time_t second; /* of the text */
    char text[DATE_FIELD_BYTES];
};

void date_field_add(struct date_field *date, time_t now, struct response *response,
                    struct arena *arena);
