/*
 * export_aim — which target of its upstream a request is to go to: by a key, or by a cookie.
 */
#include <stdio.h>

#include "bridge/exports.h"
#include "gateway/exchange.h"
#include "upstream/ring.h"

/* Hexadecimal digits of a target's number. */
#define COOKIE_BYTES 16

void moon_aim_by_key(struct exchange *exchange, const char *key, size_t key_length)
{
    exchange->call.aim.key = ring_key(exports_slice(key, key_length));
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What is no such number names no target. */
void moon_aim_by_cookie(struct exchange *exchange, const char *value, size_t value_length)
{
    uint64_t number = 0;

    exchange->call.aim.sticky = 0;
    if (value_length != COOKIE_BYTES)
        return;
    for (size_t i = 0; i < COOKIE_BYTES; i++) {
        int digit = digit_of(value[i]);
        if (digit < 0)
            return;
        number = number << 4 | (uint64_t)digit;
    }
    exchange->call.aim.sticky = number;
}

bool moon_aim_cookie(struct exchange *exchange, struct slice *value)
{
    const struct call_record *record = exchange_call_record(exchange);

    if (exchange->is_gateway_made || record->sticky == 0 ||
        record->sticky == exchange->call.aim.sticky)
        return false;
    *value = arena_format(&exchange->arena, "%016llx", (unsigned long long)record->sticky);
    return true;
}
