/*
 * uri_path — the one normal form of a path.
 *
 * Escapes are decoded segment by segment into a copy that never grows, and a
 * segment is judged when it ends, decoded: so "%2e%2e" is "..", and "%252e" is not
 * decoded twice. Repeated slashes merge before ".." takes its segment.
 */
#include <assert.h>

#include "http/octet.h"
#include "http/uri.h"

struct path {
    char *bytes; /* begins with the root's '/' */
    size_t length;
    size_t segment; /* where the segment being written begins: after a '/' */
};

/* Most paths: no escape, no empty segment, none that begins with a dot. */
static bool is_normal(struct slice path)
{
    char before = '\0';
    for (size_t i = 0; i < path.length; i++) {
        char c = path.start[i];
        if (c == '%' || (before == '/' && (c == '/' || c == '.')))
            return false;
        before = c;
    }
    return true;
}

/* Takes the segment before the current one away; false at the root. */
static bool ascend(struct path *path)
{
    if (path->segment == 1)
        return false;
    path->segment--;
    while (path->bytes[path->segment - 1] != '/')
        path->segment--;
    path->length = path->segment;
    return true;
}

static bool end_segment(struct path *path, bool has_slash)
{
    struct slice segment = slice_of(path->bytes + path->segment, path->length - path->segment);
    if (slice_equals(segment, SLICE(".."))) {
        path->length = path->segment;
        return ascend(path);
    }
    if (slice_equals(segment, SLICE("."))) {
        path->length = path->segment;
        return true;
    }
    if (has_slash && segment.length > 0) {
        path->bytes[path->length++] = '/';
        path->segment = path->length;
    }
    return true;
}

/* `escape` is the bytes from a '%' on; only one of an unreserved character is decoded. */
static bool put_escape(struct path *path, struct slice escape)
{
    if (escape.length < 3 || !octet_is(escape.start[1], OCTET_HEX) ||
        !octet_is(escape.start[2], OCTET_HEX))
        return false;
    unsigned byte = octet_hex(escape.start[1]) << 4 | octet_hex(escape.start[2]);
    if (byte < 0x20 || byte == 0x7f)
        return false;
    if (octet_is((char)byte, OCTET_UNRESERVED)) {
        path->bytes[path->length++] = (char)byte;
        return true;
    }
    path->bytes[path->length++] = '%';
    path->bytes[path->length++] = "0123456789ABCDEF"[byte >> 4];
    path->bytes[path->length++] = "0123456789ABCDEF"[byte & 15];
    return true;
}

static bool rewrite(struct slice raw, struct path *path)
{
    for (size_t i = 1; i < raw.length; i++) {
        if (raw.start[i] == '%') {
            if (!put_escape(path, slice_after(raw, i)))
                return false;
            i += 2;
        } else if (raw.start[i] == '/') {
            if (!end_segment(path, true))
                return false;
        } else {
            path->bytes[path->length++] = raw.start[i];
        }
    }
    return end_segment(path, false);
}

bool uri_normalise_path(struct slice path, struct arena *arena, struct slice *normal)
{
    *normal = path;
    if (path.length == 0 || path.start[0] != '/')
        return false;
    if (is_normal(path))
        return true;

    struct path copy = {arena_alloc(arena, path.length), 1, 1};
    copy.bytes[0] = '/';
    if (!rewrite(path, &copy))
        return false;
    assert(copy.length <= path.length);
    *normal = slice_of(copy.bytes, copy.length);
    return true;
}
