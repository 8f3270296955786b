/*
 * json_number — whether what a JSON text says is a number that a double can be.
 *
 * RFC 8259 has no largest number, and who reads 1e400 as a double gets infinity, which JSON cannot
 * say again.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Of a number in the grammar of JSON: rounded to a double it is not infinite. */
bool json_number_is_finite(struct slice number);
