/*
 * header_name — a perfect hash over the known field names, and their table.
 *
 * The key of a name is its length and three of its letters; HASH_FACTOR sends the
 * keys of all known names to different slots. A new name needs a line in SLOTS: the
 * spec computes which one, or another factor when two names meet.
 */
#include "http/header_name.h"

#include <assert.h>

#define SLOT_BITS   7
#define HASH_FACTOR 0x1ad5ae4du

#define HEADER_NAME(id, name, flags) [HEADER_##id] = {name, sizeof(name) - 1},
static const struct slice NAMES[HEADER_ID_COUNT] = {[HEADER_OTHER] = {"", 0},
                                                    HEADER_NAMES(HEADER_NAME)};
#undef HEADER_NAME

#define HEADER_FLAG(id, name, flags) [HEADER_##id] = (flags),
const uint8_t HEADER_FLAGS[HEADER_ID_COUNT] = {HEADER_NAMES(HEADER_FLAG)};
#undef HEADER_FLAG

/* clang-format off */
static const uint8_t SLOTS[1 << SLOT_BITS] = {
    [2] = HEADER_HTTP2_SETTINGS, [4] = HEADER_REFERER, [6] = HEADER_ACCEPT,
    [7] = HEADER_TRACESTATE, [9] = HEADER_PROXY_AUTHENTICATE, [11] = HEADER_UPGRADE,
    [14] = HEADER_HOST, [21] = HEADER_CONTENT_ENCODING, [25] = HEADER_SET_COOKIE,
    [26] = HEADER_AUTHORIZATION, [27] = HEADER_X_FORWARDED_PORT, [29] = HEADER_PROXY_STATUS,
    [40] = HEADER_TRACEPARENT, [41] = HEADER_RETRY_AFTER, [42] = HEADER_TRANSFER_ENCODING,
    [43] = HEADER_SERVER, [45] = HEADER_LOCATION, [49] = HEADER_ACCEPT_ENCODING,
    [54] = HEADER_TRAILER, [56] = HEADER_PROXY_CONNECTION, [59] = HEADER_LAST_MODIFIED,
    [60] = HEADER_CONNECTION, [61] = HEADER_EXPECT, [64] = HEADER_FORWARDED,
    [66] = HEADER_X_FORWARDED_HOST, [71] = HEADER_CONTENT_TYPE, [80] = HEADER_CONTENT_LENGTH,
    [84] = HEADER_WWW_AUTHENTICATE, [86] = HEADER_PROXY_AUTHORIZATION, [88] = HEADER_TE,
    [89] = HEADER_COOKIE, [93] = HEADER_X_REAL_IP, [94] = HEADER_X_FORWARDED_FOR,
    [97] = HEADER_DATE, [98] = HEADER_X_REQUEST_ID, [101] = HEADER_CACHE_CONTROL,
    [104] = HEADER_VARY, [107] = HEADER_USER_AGENT, [112] = HEADER_VIA, [114] = HEADER_KEEP_ALIVE,
    [117] = HEADER_X_FORWARDED_PROTO, [119] = HEADER_MAX_FORWARDS, [120] = HEADER_ETAG,
    [122] = HEADER_CONTENT_RANGE, [126] = HEADER_ORIGIN,
};
/* clang-format on */

static unsigned slot_of(struct slice name)
{
    uint32_t first = (unsigned char)name.start[0] | 0x20;
    uint32_t middle = (unsigned char)name.start[name.length / 2] | 0x20;
    uint32_t late = (unsigned char)name.start[name.length - 2] | 0x20;
    uint32_t key = (uint32_t)name.length | first << 8 | middle << 16 | late << 24;
    return (key * HASH_FACTOR) >> (32 - SLOT_BITS);
}

/* Words that may overlap, the last one at the end; `known` is in lower case. */
static bool is_same(struct slice name, struct slice known)
{
    size_t length = name.length;

    if (length != known.length)
        return false;
    for (size_t at = 0; at + 8 < length; at += 8) {
        if (slice_lower_word(slice_word(name.start + at, 8)) != slice_word(known.start + at, 8))
            return false;
    }
    size_t last = length > 8 ? length - 8 : 0;
    return slice_lower_word(slice_word(name.start + last, length - last)) ==
           slice_word(known.start + last, length - last);
}

enum header_id header_id_of(struct slice name)
{
    if (name.length < 2)
        return HEADER_OTHER;
    enum header_id id = SLOTS[slot_of(name)];
    return is_same(name, NAMES[id]) ? id : HEADER_OTHER;
}

struct slice header_name_of(enum header_id id)
{
    assert((unsigned)id < HEADER_ID_COUNT);
    return NAMES[id];
}
