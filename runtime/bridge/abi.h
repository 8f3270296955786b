/*
 * abi — what Lua may call through the FFI: functions that answer at once and never touch a
 * lua_State.
 *
 * What a generation is built from is in abi_build.h; caching in abi_cache.h, digests, keys and
 * tokens in abi_crypto.h, response phases without Lua in abi_edits.h, asking several upstreams in
 * abi_gather.h, limits of rates and the like in abi_limits.h, what lies outside of exchanges and
 * generations in abi_shared.h.
 *
 * Plain declarations, no preprocessor line: the C side includes this through bridge/exports.h, Lua
 * loads the very text that was compiled in through moongate/ffi.lua. Two structs are known to both:
 * `struct slice`, and of `struct exchange` its first members (serial, slot). Lua compares `serial`
 * with the one it was given before each call, so no function here sees an exchange that has ended.
 * Texts given are copied; texts handed out live as long as the exchange or the generation they come
 * from, and are read before anything else is called.
 *
 * A function that waits is not declared here: it is a C-API function in a library of
 * bridge/libraries.c.
 */

/* ---- one exchange: texts, numbers ---- */

enum moon_text {
    MOON_TEXT_METHOD,
    MOON_TEXT_TARGET,
    MOON_TEXT_PATH,
    MOON_TEXT_QUERY,
    MOON_TEXT_SCHEME,
    MOON_TEXT_HOST,
    MOON_TEXT_AUTHORITY,
    MOON_TEXT_ADDRESS,
    MOON_TEXT_ID,
    MOON_TEXT_TRACE_ID,
    MOON_TEXT_ROUTE,
    MOON_TEXT_ROUTE_SOURCE,
    MOON_TEXT_UPSTREAM,
    MOON_TEXT_LISTENER,
    MOON_TEXT_REASON,
    MOON_TEXT_FAULT,
    MOON_TEXT_TARGET_ADDRESS,
    MOON_TEXT_TARGET_FAULT,
    MOON_TEXT_TARGET_DETAIL,
    MOON_TEXT_FORWARD_PATH,
    MOON_TEXT_PEER,
    MOON_TEXT_SERVER_NAME,
    MOON_TEXT_UPGRADE,
    MOON_TEXT_OUTBOUND_PATH,
    MOON_TEXT_OUTBOUND_HOST,
    MOON_TEXT_OVERTAKEN
};
/* False when there is no such text (no route, no query, nothing forwarded). */
bool moon_text(struct exchange *exchange, int which, struct slice *text);

enum moon_number {
    /* of the request */
    MOON_NUMBER_METHOD,
    MOON_NUMBER_MINOR_VERSION,
    MOON_NUMBER_PORT,
    MOON_NUMBER_CONTENT_LENGTH,
    MOON_NUMBER_TARGET_BYTES,
    MOON_NUMBER_HEADER_BYTES,
    MOON_NUMBER_HEADER_COUNT,
    MOON_NUMBER_HAS_REQUEST,
    /* of the response, and the exchange as a whole */
    MOON_NUMBER_STATUS,
    MOON_NUMBER_RESPONSE_LENGTH,
    MOON_NUMBER_HAS_RESPONSE,
    MOON_NUMBER_IS_ABORTED,
    MOON_NUMBER_IS_GATEWAY_MADE,
    MOON_NUMBER_BYTES_IN,
    MOON_NUMBER_BYTES_OUT,
    MOON_NUMBER_STARTED,
    MOON_NUMBER_DURATION,
    MOON_NUMBER_RESPONDED_AFTER,
    MOON_NUMBER_BODY_MAX,
    MOON_NUMBER_PHASES,
    MOON_NUMBER_NO_BODY,
    MOON_NUMBER_TIME_LEFT, /* of its deadline */
    /* of the last attempt upstream */
    MOON_NUMBER_ATTEMPTS,
    MOON_NUMBER_CONNECT_SECONDS,
    MOON_NUMBER_RESPONSE_SECONDS,
    MOON_NUMBER_IS_REUSED,
    MOON_NUMBER_HEDGES,
    MOON_NUMBER_IS_HEDGE,
    /* of the whole call */
    MOON_NUMBER_QUEUE_SECONDS
};
/* -1 when there is no such number. Times are seconds, flags 0 or 1. */
double moon_number(struct exchange *exchange, int which);

/* ---- header fields; `of`: 0 the request, 1 the response ---- */

enum moon_field {
    MOON_FIELD_OK,
    MOON_FIELD_BAD_NAME,
    MOON_FIELD_BAD_VALUE,
    MOON_FIELD_OURS,
    MOON_FIELD_FULL,
    MOON_FIELD_NO_MESSAGE
};
/* Whether a policy may send such a field: what to say before there is a message. */
int moon_field_check(const char *name, size_t name_length, const char *value, size_t value_length);
/* What the functions below know a name by, the same each time; -1: it is not a field's name. */
int moon_field_id(const char *name, size_t name_length);
/* All values of that name, joined with ", ". Here and below, `id` is moon_field_id() of the name.
 */
bool moon_header_get(struct exchange *exchange, int of, int id, const char *name,
                     size_t name_length, struct slice *value);
int moon_header_set(struct exchange *exchange, int of, int id, const char *name, size_t name_length,
                    const char *value, size_t value_length);
int moon_header_add(struct exchange *exchange, int of, int id, const char *name, size_t name_length,
                    const char *value, size_t value_length);
int moon_header_remove(struct exchange *exchange, int of, int id, const char *name,
                       size_t name_length);
/* All whose names begin so, '_' being as good as '-'; those that frame a message stay. */
int moon_header_remove_prefix(struct exchange *exchange, int of, const char *prefix, size_t length);
/* All that are called so, '_' being as good as '-'. */
int moon_header_remove_alike(struct exchange *exchange, int of, const char *name, size_t length);
/* Walks over all fields, or those of one name (name_length not 0): start with *at = 0; false at the
 * end. */
bool moon_header_next(struct exchange *exchange, int of, const char *name, size_t name_length,
                      uint32_t *at, struct slice *pair);

/* ---- the query, cookies and captured path segments, decoded; pair[0] is a name, pair[1] its value
 * ---- */

bool moon_query_get(struct exchange *exchange, const char *name, size_t name_length,
                    struct slice *value);
/* Replaces all of that name; value NULL: removes. */
void moon_query_set(struct exchange *exchange, const char *name, size_t name_length,
                    const char *value, size_t value_length);
bool moon_query_next(struct exchange *exchange, uint32_t *at, struct slice *pair);
bool moon_cookie_get(struct exchange *exchange, const char *name, size_t name_length,
                     struct slice *value);
bool moon_cookie_next(struct exchange *exchange, uint32_t *at, struct slice *pair);
bool moon_param_get(struct exchange *exchange, const char *name, size_t name_length,
                    struct slice *value);
bool moon_param_next(struct exchange *exchange, uint32_t *at, struct slice *pair);

/* ---- changes to what goes upstream ---- */

/* False when it is not a path that begins with '/', or is malformed. */
bool moon_set_path(struct exchange *exchange, const char *path, size_t length);
/* NULL: no query. False for characters that a query cannot have. */
bool moon_set_query(struct exchange *exchange, const char *query, size_t length);
/* False for an id that is empty, longer than 128 bytes or not printable ASCII. */
bool moon_set_id(struct exchange *exchange, const char *id, size_t length);
/* False when the generation has no such upstream. */
bool moon_set_upstream(struct exchange *exchange, const char *name, size_t length);
/* Which target of an upstream that is balanced by hash it goes to: the same for the same key. */
void moon_aim_by_key(struct exchange *exchange, const char *key, size_t length);
/* ... and the one that a cookie of this value names, if that can be had. */
void moon_aim_by_cookie(struct exchange *exchange, const char *value, size_t length);
/* The cookie's value that names the target that answered; false when the client has it already, or
 * no target has. */
bool moon_aim_cookie(struct exchange *exchange, struct slice *value);
/* Lowers what its body may have. False when it is known to have more. */
bool moon_limit_body(struct exchange *exchange, double bytes);
/* False once the request is on its way. */
bool moon_set_body(struct exchange *exchange, const char *bytes, size_t length);

/* ---- TLS of the client's connection ---- */

enum moon_tls {
    MOON_TLS_SERVER_NAME,
    MOON_TLS_VERSION,
    MOON_TLS_CIPHER,
    MOON_TLS_SUBJECT,
    MOON_TLS_ISSUER,
    MOON_TLS_FINGERPRINT,
    MOON_TLS_SERIAL,
    MOON_TLS_FAULT /* why the certificate that was shown is not valid */
};
bool moon_tls_text(struct exchange *exchange, int which, struct slice *text);
/* -1: no TLS, 0: no client certificate, 1: one, verified. */
int moon_tls_client(struct exchange *exchange);
/*
 * What subjectAltName of the client's certificate has, one by one: `pair` gets the kind ("dns",
 * "uri", "email") and the name. False behind the last one. `at`: where it goes on, 0 at first.
 */
bool moon_tls_name_next(struct exchange *exchange, uint32_t *at, struct slice *pair);

/* ---- the response ---- */

/* False outside of 200 to 599. */
bool moon_set_status(struct exchange *exchange, int status, const char *reason, size_t length);

/* ---- a reply, in parts: it is sent when the phase returns ---- */

void moon_answer_begin(struct exchange *exchange, int status);
int moon_answer_header(struct exchange *exchange, const char *name, size_t name_length,
                       const char *value, size_t value_length);
void moon_answer_body(struct exchange *exchange, const char *bytes, size_t length);
/* The body becomes a problem document; `extensions`: further JSON members without braces. */
void moon_answer_problem(struct exchange *exchange, const char *type, size_t type_length,
                         const char *detail, size_t detail_length, const char *extensions,
                         size_t extensions_length);
/* In the response phase: the reply takes the response's place, and the phase goes on. */
void moon_answer_replace(struct exchange *exchange);
/* In the response phase, after the body has been collected: what to send instead. */
void moon_body_replace(struct exchange *exchange, const char *bytes, size_t length);

/* ---- routes, for the dispatcher ---- */

/* The exchange in that slot of the worker's pool. */
struct exchange *moon_exchange(struct generation *generation, uint32_t slot);
/* What Lua keeps for it in that part of its state (parts.lua) may be large: it is let go of when it
 * ends. */
void moon_state_holds(struct exchange *exchange, uint32_t part);
/* Whose request it is, by name; NULL: nobody's. It has been found out, as moon_set_authenticated()
 * has it. */
void moon_set_consumer(struct exchange *exchange, const char *name, size_t length);
/* The same of a consumer of the configuration, by its number. */
void moon_set_consumer_number(struct exchange *exchange, int consumer);
/* Index of the route that is about to match, -1: none is left. Its `when`, if any, has not been
 * asked. */
int moon_route_candidate(struct exchange *exchange);
/* The predicate said no: on to the next candidate. */
void moon_route_reject(struct exchange *exchange);
/* The candidate it is. */
void moon_route_accept(struct exchange *exchange);
/* Whether load is shed by refusing the request, whose route has been found; to be asked once.
 * `criticality` 0: the route's own. */
bool moon_request_is_shed(struct exchange *exchange, int criticality);
uint32_t moon_route_count(struct generation *generation);
bool moon_route_text(struct generation *generation, uint32_t route, int which, struct slice *text);

/* ---- which plugin runs, for its accounts and whoever watches over the worker ---- */

enum moon_phase {
    MOON_PHASE_REQUEST = 1,
    MOON_PHASE_RESPOND = 2,
    MOON_PHASE_RESPONSE = 4,
    MOON_PHASE_RESPONSE_CHUNK = 8,
    MOON_PHASE_RESPONSE_BODY = 16,
    MOON_PHASE_LOG = 32,
    MOON_PHASE_START = 256,
    MOON_PHASE_STOP = 512
};
/* Where it stands: a phase << 16 | the number of a plugin. Valid as long as the generation. */
uint32_t *moon_step(struct generation *generation);
/*
 * A step of a chain begins, in the task of a phase: `step` as moon_step() has it, its place in the
 * chain from 0, how many calls of the plugin are to be counted. Once more for the same one: it goes
 * on.
 */
void moon_step_begin(struct generation *generation, uint32_t step, uint32_t at, uint32_t calls);
/* The same in all workers; 0: there is none. Also while the generation is built. */
uint32_t moon_plugin_number(struct generation *generation, const char *name, size_t length);

/* ---- sets of address blocks ---- */

/*
 * Of a comma-separated list of blocks; lives as long as the generation. NULL with the element that
 * is malformed in `wrong`; with nothing in it when the generation is built already.
 */
struct address_set *moon_address_set(struct generation *generation, const char *list,
                                     size_t list_length, struct slice *wrong);
/* False, too, for what is no address. */
bool moon_address_set_has(const struct address_set *set, const char *text, size_t text_length);

/* ---- the log, the clock ---- */

/* A plugin raised where nobody gets an error for it: the text goes to the log, and is counted. */
void moon_plugin_raised(struct exchange *exchange, const char *text, size_t length);

/* Level 0 debug to 3 error; under the id of the request whose task runs. */
void moon_log(struct generation *generation, int level, const char *text, size_t length);
bool moon_log_is_on(int level);
/* Seconds since the epoch as of this turn of the loop; no system call while the generation
 * serves. */
double moon_now(struct generation *generation);
/* Whether the generation serves: false while it is being built, when nothing may have an effect. */
bool moon_is_live(struct generation *generation);
/* The generation that new requests of its worker run on. */
bool moon_is_current(struct generation *generation);

/* ---- URIs, as http/uri.h does it; the length of what was written, -1 when malformed ---- */

/* At most three times the length. `keep`: more characters that stay as they are. */
double moon_uri_encode(const char *text, size_t length, const char *keep, char *out);
/* At most the length. */
double moon_uri_decode(const char *text, size_t length, bool plus_is_space, char *out);
double moon_uri_normalise(const char *path, size_t length, char *out);
enum moon_uri_part {
    MOON_URI_SCHEME,
    MOON_URI_AUTHORITY,
    MOON_URI_HOST,
    MOON_URI_PATH,
    MOON_URI_QUERY,
    MOON_URI_PARTS
};
/* An absolute URI, or a path with its query; the parts are slices of the text. Returns the port, 0
 * when none is given. */
double moon_uri_parse(const char *text, size_t length, struct slice *parts);

/* Seconds of a clock that nobody sets. */
double moon_monotonic(void);

/* ---- the configuration as a text, the version, JSON ---- */

/*
 * The configuration as /config shows it, which is built once more for who asks (config_text.h):
 * while it is wanted, it is added to piece by piece.
 */
bool moon_config_is_wanted(struct generation *generation);
void moon_config_show(struct generation *generation, const char *text, size_t length);
const char *moon_version(void);

/* Offset of the first byte that is not JSON (RFC 8259), or -1 when all of it is. */
double moon_json_fault(const char *text, size_t length);
/* Whether it is printable ASCII and blanks alone, without quotes and backslashes: what may stand
 * between quotes as it is. */
bool moon_is_plain(const char *text, size_t length);
