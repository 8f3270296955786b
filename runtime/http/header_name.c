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
#define HASH_FACTOR 0x3916d6afu

/* Text and length of a name in one line of the cache. */
struct known {
    char text[31];
    uint8_t length;
} __attribute__((aligned(32)));

#define HEADER_NAME(id, name, flags) [HEADER_##id] = {name, sizeof(name) - 1},
static const struct known NAMES[HEADER_ID_COUNT] = {[HEADER_OTHER] = {"", 0},
                                                    HEADER_NAMES(HEADER_NAME)};
#undef HEADER_NAME

#define HEADER_FLAG(id, name, flags) [HEADER_##id] = (flags),
const uint8_t HEADER_FLAGS[HEADER_ID_COUNT] = {HEADER_NAMES(HEADER_FLAG)};
#undef HEADER_FLAG

/* clang-format off */
static const uint8_t SLOTS[1 << SLOT_BITS] = {
    [0] = HEADER_TRAILER, [3] = HEADER_VIA, [8] = HEADER_X_FORWARDED_PORT,
    [9] = HEADER_TRANSFER_ENCODING, [11] = HEADER_PROXY_STATUS, [14] = HEADER_AGE,
    [22] = HEADER_IF_MATCH, [23] = HEADER_WWW_AUTHENTICATE, [26] = HEADER_USER_AGENT,
    [27] = HEADER_PRAGMA, [28] = HEADER_HOST, [32] = HEADER_ACCEPT, [37] = HEADER_CONTENT_ENCODING,
    [40] = HEADER_TRACESTATE, [41] = HEADER_PROXY_AUTHORIZATION, [42] = HEADER_ACCEPT_RANGES,
    [44] = HEADER_CONTENT_TYPE, [45] = HEADER_SET_COOKIE, [46] = HEADER_MAX_FORWARDS,
    [49] = HEADER_DATE, [50] = HEADER_ORIGIN, [51] = HEADER_RETRY_AFTER,
    [53] = HEADER_CONTENT_RANGE, [60] = HEADER_REFERER, [62] = HEADER_AUTHORIZATION,
    [63] = HEADER_FORWARDED, [65] = HEADER_HTTP2_SETTINGS, [66] = HEADER_PROXY_AUTHENTICATE,
    [67] = HEADER_X_FORWARDED_FOR, [71] = HEADER_ETAG, [73] = HEADER_LOCATION, [76] = HEADER_SERVER,
    [80] = HEADER_CACHE_CONTROL, [82] = HEADER_IF_NONE_MATCH, [83] = HEADER_X_FORWARDED_PROTO,
    [84] = HEADER_LAST_MODIFIED, [85] = HEADER_EXPIRES, [86] = HEADER_COOKIE,
    [87] = HEADER_PROXY_CONNECTION, [92] = HEADER_EXPECT, [95] = HEADER_X_FORWARDED_HOST,
    [100] = HEADER_KEEP_ALIVE, [101] = HEADER_TE, [104] = HEADER_IF_UNMODIFIED_SINCE,
    [106] = HEADER_X_REAL_IP, [108] = HEADER_CONTENT_LOCATION, [109] = HEADER_X_REQUEST_ID,
    [113] = HEADER_IF_MODIFIED_SINCE, [114] = HEADER_ACCEPT_ENCODING, [116] = HEADER_IF_RANGE,
    [117] = HEADER_TRACEPARENT, [118] = HEADER_CACHE_STATUS, [120] = HEADER_RANGE,
    [121] = HEADER_VARY, [122] = HEADER_UPGRADE, [123] = HEADER_CONNECTION,
    [125] = HEADER_ACCEPT_LANGUAGE, [126] = HEADER_CONTENT_LENGTH,
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

enum header_id header_id_of(struct slice name)
{
    if (name.length < 2)
        return HEADER_OTHER;
    enum header_id id = SLOTS[slot_of(name)];
    struct slice known = slice_of(NAMES[id].text, NAMES[id].length);
    return slice_is_token(name, known) ? id : HEADER_OTHER;
}

struct slice header_name_of(enum header_id id)
{
    assert((unsigned)id < HEADER_ID_COUNT);
    return slice_of(NAMES[id].text, NAMES[id].length);
}
