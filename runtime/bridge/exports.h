/*
 * exports — the C view of abi.h and those beside it: what their declarations need, then these.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "gateway/exchange.h"

struct address_set;
struct edits;
struct gather_plan;
struct generation;
struct limit_rule;
struct limit_told;

/* Their text as this binary was compiled with it, for ffi.cdef. */
const char *moon_abi_text(void);

/* clang-format off */
#include "bridge/abi.h"
#include "bridge/abi_build.h"
#include "bridge/abi_cache.h"
#include "bridge/abi_crypto.h"
#include "bridge/abi_edits.h"
#include "bridge/abi_gather.h"
#include "bridge/abi_limits.h"
#include "bridge/abi_shared.h"
/* clang-format on */

/* What abi_text.c tells Lua of these two must be so. */
_Static_assert(offsetof(struct slice, start) == 0 && offsetof(struct slice, length) == 8 &&
                   sizeof(struct slice) == 16,
               "Lua reads slices directly");
_Static_assert(offsetof(struct exchange, serial) == 0 && offsetof(struct exchange, slot) == 8,
               "Lua reads the serial and slot of exchanges directly");

/* The texts given to an export. */
static inline struct slice exports_slice(const char *start, size_t length)
{
    return slice_of(start, start != NULL ? length : 0);
}
