/*
 * date_field — making the text anew when the second is another one.
 */
#include "gateway/date_field.h"

#include "http/message.h"

void date_field_add(struct date_field *date, time_t now, struct response *response,
                    struct arena *arena)
{
    struct tm parts;

    if (headers_find_known(&response->headers, HEADER_DATE) != NULL || response->status < 200)
        return;
    if (now != date->second) {
        date->second = now;
        gmtime_r(&now, &parts);
        strftime(date->text, sizeof(date->text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    }
    headers_add_known(&response->headers, arena, HEADER_DATE,
                      arena_copy(arena, slice_of(date->text, DATE_FIELD_BYTES - 1)));
}
