/*
 * cookie — one of the cookies that a request carries (RFC 6265, 5.4), found by its name.
 */
#pragma once

#include "http/headers.h"

/* Its value as sent, of the first one of that name; start NULL: there is none. */
struct slice cookie_value(const struct headers *headers, struct slice name);
