/*
 * uri — request targets taken apart, and the one normal form of a path.
 *
 * The same normalised path serves routing, policies and forwarding, so that no
 * two of them can read a path differently.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum uri_form { URI_ORIGIN, URI_ABSOLUTE, URI_ASTERISK, URI_AUTHORITY };

struct uri {
    enum uri_form form;
    struct slice scheme, authority; /* of URI_ABSOLUTE; authority of URI_AUTHORITY too */
    struct slice path;              /* raw; "/" where an absolute form has none */
    struct slice query;             /* raw, start NULL when there is no '?' */
};

/*
 * Takes a target apart (RFC 9112, 3.2). False for what is none of the forms, has userinfo or a
 * fragment, or bytes that no URI may have. Authority-form has a port. Brackets pass anywhere, and
 * bad escapes pass in queries: both are common, and no two readers take a query's bytes apart
 * before they decode it.
 */
bool uri_parse(struct slice target, struct uri *uri);

struct uri_authority {
    struct slice host; /* without brackets, as written */
    uint16_t port;     /* 0 when not given */
    bool is_v6;
};
/*
 * host[:port] (RFC 3986, 3.2.2): a registered name, IPv4, or IPv6 in brackets without a zone. A
 * name is at most 255 letters, digits and "-._~" without empty labels, but a dot may end it: the
 * escapes and delimiters that RFC 3986 also has are in no host name, and readers differ on them.
 * Ports are 1 to 65535; an empty port is none.
 */
bool uri_parse_authority(struct slice authority, struct uri_authority *parts);

/*
 * The normal form: escapes of unreserved characters decoded, other escapes kept
 * with upper-case digits (so %2F stays %2F and never separates), "." and ".."
 * segments resolved, repeated slashes merged, the trailing slash kept. False when
 * malformed: a bad escape, %00 or another encoded control character, "..", encoded or not, that
 * leaves the root. Idempotent. Points into `path` where nothing changes, else into the arena.
 */
bool uri_normalise_path(struct slice path, struct arena *arena, struct slice *normal);

/* Decodes escapes, and '+' where `plus_is_space`; false for a bad escape. */
bool uri_decode(struct slice text, bool plus_is_space, struct arena *arena, struct slice *decoded);
/* Escapes all but unreserved characters, and `keep` (may be ""). */
struct slice uri_encode(struct slice text, const char *keep, struct arena *arena);
/* The raw value of the first `name=` in a raw query, compared decoded; start NULL when none. */
struct slice uri_query_value(struct slice query, struct slice name, struct arena *arena);
