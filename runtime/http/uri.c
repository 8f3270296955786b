/*
 * uri — the forms of a target, authorities, escapes and queries.
 *
 * The normal form of paths is in uri_path.c.
 */
#include "http/uri.h"

#include <arpa/inet.h>

#include "http/octet.h"

#define HOST_BYTES_MAX  255
#define PORT_DIGITS_MAX 5

static bool is_all(struct slice text, unsigned set)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!octet_is(text.start[i], set))
            return false;
    }
    return true;
}

static void split_query(struct slice text, struct slice *path, struct slice *query)
{
    size_t mark = slice_find(text, '?');
    *path = slice_of(text.start, mark);
    *query = mark < text.length ? slice_after(text, mark + 1) : SLICE_NONE;
}

/* Where "://" begins, or the length: it ends a scheme only before the first slash or '?'. */
static size_t scheme_length(struct slice target)
{
    size_t colon = slice_find(target, ':');
    struct slice rest = slice_after(target, colon);
    return slice_starts_with(rest, SLICE("://")) ? colon : target.length;
}

static bool is_scheme(struct slice scheme)
{
    for (size_t i = 0; i < scheme.length; i++) {
        char c = slice_lower(scheme.start[i]);
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_other = octet_is(c, OCTET_DIGIT) || c == '+' || c == '-' || c == '.';
        if (!is_letter && (i == 0 || !is_other))
            return false;
    }
    return scheme.length > 0;
}

static OUT_OF_LINE bool parse_absolute(struct slice target, size_t scheme_bytes, struct uri *uri)
{
    struct slice rest = slice_after(target, scheme_bytes + 3);
    size_t end = 0;
    while (end < rest.length && rest.start[end] != '/' && rest.start[end] != '?')
        end++;
    uri->form = URI_ABSOLUTE;
    uri->scheme = slice_of(target.start, scheme_bytes);
    uri->authority = slice_of(rest.start, end);
    split_query(slice_after(rest, end), &uri->path, &uri->query);
    if (uri->path.length == 0)
        uri->path = SLICE("/");
    struct uri_authority parts;
    return is_scheme(uri->scheme) && uri_parse_authority(uri->authority, &parts);
}

bool uri_parse(struct slice target, struct uri *uri)
{
    *uri = (struct uri){.form = URI_ORIGIN};
    if (target.length == 0 || !is_all(target, OCTET_TARGET))
        return false;
    if (target.start[0] == '/') {
        split_query(target, &uri->path, &uri->query);
        return true;
    }
    if (slice_equals(target, SLICE("*"))) {
        uri->form = URI_ASTERISK;
        uri->path = target;
        return true;
    }
    size_t scheme_bytes = scheme_length(target);
    if (scheme_bytes < target.length)
        return parse_absolute(target, scheme_bytes, uri);

    struct uri_authority parts;
    uri->form = URI_AUTHORITY;
    uri->authority = target;
    return uri_parse_authority(target, &parts) && parts.port != 0;
}

static bool is_v6(struct slice text)
{
    char terminated[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.length >= sizeof(terminated) || slice_find(text, '\0') < text.length)
        return false;
    memcpy(terminated, text.start, text.length);
    terminated[text.length] = '\0';
    return inet_pton(AF_INET6, terminated, &address) == 1;
}

/* Labels of letters, digits and "-_~", none of them empty but one after a last dot. */
static bool is_registered_name(struct slice name)
{
    bool is_label_empty = true;
    for (size_t i = 0; i < name.length; i++) {
        if (!octet_is(name.start[i], OCTET_UNRESERVED))
            return false;
        if (name.start[i] == '.' && is_label_empty)
            return false;
        is_label_empty = name.start[i] == '.';
    }
    return name.length > 0 && name.length <= HOST_BYTES_MAX;
}

static bool parse_port(struct slice digits, uint16_t *port)
{
    uint64_t number = 0;
    if (digits.length == 0)
        return true;
    if (digits.length > PORT_DIGITS_MAX || !slice_to_uint64(digits, &number))
        return false;
    *port = (uint16_t)number;
    return number > 0 && number <= UINT16_MAX;
}

bool uri_parse_authority(struct slice authority, struct uri_authority *parts)
{
    *parts = (struct uri_authority){0};
    struct slice rest;
    if (authority.length > 0 && authority.start[0] == '[') {
        size_t bracket = slice_find(authority, ']');
        if (bracket == authority.length)
            return false;
        parts->host = slice_of(authority.start + 1, bracket - 1);
        parts->is_v6 = true;
        rest = slice_after(authority, bracket + 1);
    } else {
        size_t colon = slice_find(authority, ':');
        parts->host = slice_of(authority.start, colon);
        rest = slice_after(authority, colon);
    }
    if (!(parts->is_v6 ? is_v6(parts->host) : is_registered_name(parts->host)))
        return false;
    if (rest.length == 0)
        return true;
    return rest.start[0] == ':' && parse_port(slice_after(rest, 1), &parts->port);
}

static bool is_escape(struct slice text, size_t at)
{
    return text.length - at >= 3 && octet_is(text.start[at + 1], OCTET_HEX) &&
           octet_is(text.start[at + 2], OCTET_HEX);
}

static bool needs_decoding(struct slice text, bool plus_is_space)
{
    return slice_find(text, '%') < text.length ||
           (plus_is_space && slice_find(text, '+') < text.length);
}

bool uri_decode(struct slice text, bool plus_is_space, struct arena *arena, struct slice *decoded)
{
    *decoded = text;
    if (!needs_decoding(text, plus_is_space))
        return true;

    char *out = arena_alloc(arena, text.length);
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.start[i];
        if (c == '%') {
            if (!is_escape(text, i))
                return false;
            c = (char)(octet_hex(text.start[i + 1]) << 4 | octet_hex(text.start[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[length++] = c;
    }
    *decoded = slice_of(out, length);
    return true;
}

static bool stays_raw(char c, const char *keep)
{
    return octet_is(c, OCTET_UNRESERVED) || (c != '\0' && strchr(keep, c) != NULL);
}

struct slice uri_encode(struct slice text, const char *keep, struct arena *arena)
{
    size_t escapes = 0;
    for (size_t i = 0; i < text.length; i++)
        escapes += !stays_raw(text.start[i], keep);
    if (escapes == 0)
        return text;

    char *out = arena_alloc(arena, text.length + 2 * escapes);
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.start[i];
        if (stays_raw((char)c, keep)) {
            out[length++] = (char)c;
            continue;
        }
        out[length++] = '%';
        out[length++] = "0123456789ABCDEF"[c >> 4];
        out[length++] = "0123456789ABCDEF"[c & 15];
    }
    return slice_of(out, length);
}

/* A name with a bad escape is compared as it is written. */
static bool is_same_name(struct slice raw, struct slice name, struct arena *arena)
{
    struct slice decoded;
    if (!uri_decode(raw, true, arena, &decoded))
        decoded = raw;
    return slice_equals(decoded, name);
}

struct slice uri_query_value(struct slice query, struct slice name, struct arena *arena)
{
    while (query.length > 0) {
        size_t end = slice_find(query, '&');
        struct slice pair = slice_of(query.start, end);
        size_t equals = slice_find(pair, '=');
        if (is_same_name(slice_of(pair.start, equals), name, arena))
            return slice_after(pair, equals < pair.length ? equals + 1 : equals);
        query = slice_after(query, end < query.length ? end + 1 : end);
    }
    return SLICE_NONE;
}
