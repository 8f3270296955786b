/*
 * trace_context — the grammar "00-<32 hex>-<16 hex>-<2 hex>", all-zero ids refused.
 */
#include "gateway/trace_context.h"

#define VERSION_00_BYTES 55

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.start[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

static bool is_zero(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.start[i] != '0')
            return false;
    }
    return true;
}

struct slice trace_context_id(struct slice traceparent)
{
    const char *text = traceparent.start;

    if (traceparent.length < VERSION_00_BYTES || text[2] != '-' || text[35] != '-' ||
        text[52] != '-')
        return SLICE_NONE;
    struct slice version = slice_of(text, 2), trace = slice_of(text + 3, 32);
    struct slice parent = slice_of(text + 36, 16), flags = slice_of(text + 53, 2);
    if (!is_hex(version) || !is_hex(trace) || !is_hex(parent) || !is_hex(flags))
        return SLICE_NONE;
    if (slice_equals(version, SLICE("ff")) || is_zero(trace) || is_zero(parent))
        return SLICE_NONE;
    bool has_more = traceparent.length > VERSION_00_BYTES;
    if (has_more && (slice_equals(version, SLICE("00")) || text[VERSION_00_BYTES] != '-'))
        return SLICE_NONE;
    return trace;
}
