/*
 * abi_build — what Lua says of a configuration, of which a generation is built; like abi.h.
 *
 * An object is begun, given its texts, pairs and numbers, and finished; what is not given has its
 * default. Nothing has an effect before the generation is committed. Clusters come before the
 * routes that name them.
 */

/* uri_normalise_path: false for what is malformed. The text lives until the next call for that
 * generation. */
bool moon_normalise_path(struct generation *generation, const char *path, size_t length,
                         struct slice *normal);
/*
 * Whether a route's path is right and in its normal form, told at a glance: of literal segments of
 * unreserved characters and placeholders. False says nothing: path_pattern.lua looks closer.
 */
bool moon_path_is_plain(const char *path, size_t length);
/* Sixteen bytes for the content; that another one has the same is not to be expected. */
void moon_build_digest(const char *content, size_t length, char *digest);
/*
 * What a file has, and the names in a folder, each ended by a zero byte: from the generation's
 * bundle. False with the reason in words. Lives as long as the generation is built.
 */
bool moon_file_text(struct generation *generation, const char *path, size_t length,
                    struct slice *text);
bool moon_folder_names(struct generation *generation, const char *path, size_t length,
                       struct slice *names);
/* The one file of the bundle whose path ends so; false when there is none, or several. */
bool moon_file_ending(struct generation *generation, const char *end, size_t length,
                      struct slice *path);

/* In the order of enum inventory_kind. */
enum moon_inventory {
    MOON_INVENTORY_ROUTE,
    MOON_INVENTORY_PLUGIN,
    MOON_INVENTORY_UPSTREAM,
    MOON_INVENTORY_LISTENER,
    MOON_INVENTORY_CONSUMER,
    MOON_INVENTORY_SETTING
};
/* Whether somebody wants to know what the configuration has: else nothing is to be added. */
bool moon_inventory_is_wanted(struct generation *generation);
/* `texts`: its name, and where it was written. */
void moon_inventory_add(struct generation *generation, int kind, const struct slice *texts,
                        const char *content, size_t length);

enum moon_object {
    MOON_OBJECT_SETTINGS,
    MOON_OBJECT_CLUSTER,
    MOON_OBJECT_LISTENER,
    MOON_OBJECT_CONSUMER,
    MOON_OBJECT_CACHE_POLICY,
    MOON_OBJECT_ROUTE
};
void moon_build_begin(struct generation *generation, int object);
/* The object's index among its kind, or -1 with what is wrong in `error` (of a route: which other
 * one it cannot be told apart from). */
double moon_build_finish(struct generation *generation, struct slice *error);
/* So many routes are about to come: their place is made at once. More may come, and fewer. */
void moon_build_expect(struct generation *generation, double routes);
/* A route that is like the object described last, which was one, but for these three: as if all had
 * been given anew. */
double moon_build_like_last(struct generation *generation, const char *name, size_t name_length,
                            const char *path, size_t path_length, const char *source,
                            size_t source_length, struct slice *error);

enum moon_build_text {
    /* settings */
    MOON_BUILD_USER,
    MOON_BUILD_VIA,
    MOON_BUILD_TRUSTED_PROXY,
    MOON_BUILD_RESOLVER_SERVERS,
    MOON_BUILD_LOG_LEVEL,
    MOON_BUILD_LOG_FORMAT,
    MOON_BUILD_STORE_PATH,
    /* clusters; a target is "host", then its port, weight and tls as numbers */
    MOON_BUILD_CLUSTER_NAME,
    MOON_BUILD_TARGET,
    MOON_BUILD_BALANCE,
    MOON_BUILD_STICKY_KEY,
    MOON_BUILD_QUEUE_ORDER, /* "fifo", "lifo", "adaptive" */
    MOON_BUILD_PROBE_PATH,
    MOON_BUILD_PROBE_HOST,
    MOON_BUILD_PROBE_BODY,
    MOON_BUILD_PROBE_STATUSES /* "200-299,404-404" */,
    MOON_BUILD_CLUSTER_PROTOCOL,
    MOON_BUILD_TLS_CA,
    MOON_BUILD_TLS_CERTIFICATE,
    MOON_BUILD_TLS_KEY,
    MOON_BUILD_SERVER_NAME,
    /* listeners */
    MOON_BUILD_ADDRESS,
    MOON_BUILD_LISTENER_PROTOCOL,
    MOON_BUILD_PROXY_SOURCE,
    MOON_BUILD_CLIENT_CA,
    MOON_BUILD_CLIENT_CRL,
    /* consumers */
    MOON_BUILD_CONSUMER_NAME,
    MOON_BUILD_PLAN,
    MOON_BUILD_GROUP,
    MOON_BUILD_ROLE,
    MOON_BUILD_SCOPE,
    /* routes */
    MOON_BUILD_ROUTE_NAME,
    MOON_BUILD_SOURCE /* "file:line", of any object */,
    MOON_BUILD_HOST,
    MOON_BUILD_METHOD,
    MOON_BUILD_PATH,
    MOON_BUILD_SNI,
    MOON_BUILD_REWRITE,
    MOON_BUILD_DEADLINE_FIELD, /* its name */
    MOON_BUILD_UPSTREAM_HOST,
    MOON_BUILD_TEXTS /* further ones: abi_cache.h */
};
void moon_build_text(struct generation *generation, int which, const char *text, size_t length);

enum moon_build_pair {
    MOON_BUILD_CERTIFICATE, /* listener: paths or PEM texts of certificate and key */
    MOON_BUILD_TAG,         /* consumer */
    MOON_BUILD_CREDENTIAL,  /* consumer: name and secret, as bridge/consumers.h has them */
    MOON_BUILD_HEADER,
    MOON_BUILD_QUERY, /* route: value NULL: present with any value */
    MOON_BUILD_PAIRS
};
void moon_build_pair(struct generation *generation, int which, const char *name, size_t name_length,
                     const char *value, size_t value_length);

enum moon_build_number {
    /* settings */
    MOON_BUILD_WORKERS,
    MOON_BUILD_MEMORY_COUNTERS,
    MOON_BUILD_MEMORY_LIMITS,
    MOON_BUILD_MEMORY_DICT,
    MOON_BUILD_MEMORY_VALUES,
    MOON_BUILD_MEMORY_OBJECTS,
    MOON_BUILD_RESOLVER_TIMEOUT,
    MOON_BUILD_RESOLVER_STALE,
    MOON_BUILD_FORWARDED,
    MOON_BUILD_WATCH,
    MOON_BUILD_LIMIT_HEAD,
    MOON_BUILD_LIMIT_TARGET,
    MOON_BUILD_LIMIT_BODY,
    MOON_BUILD_HEAD_TIMEOUT,
    MOON_BUILD_BODY_TIMEOUT,
    MOON_BUILD_IDLE_TIMEOUT,
    MOON_BUILD_SEND_TIMEOUT,
    MOON_BUILD_LIMIT_REQUESTS,
    MOON_BUILD_LIMIT_CONNECTIONS,
    MOON_BUILD_LIMIT_PER_ADDRESS,
    MOON_BUILD_DRAIN_TIMEOUT,
    MOON_BUILD_TURN_TIMEOUT,
    MOON_BUILD_SHED_LAG, /* seconds; nothing: nobody sheds */
    MOON_BUILD_SHED_FULL,
    MOON_BUILD_SHED_WINDOW,
    MOON_BUILD_SHED_REPORT_ONLY,
    MOON_BUILD_STORE_SIZE,
    /* clusters; those of a target belong to the target named last */
    MOON_BUILD_TARGET_PORT,
    MOON_BUILD_TARGET_WEIGHT,
    MOON_BUILD_TARGET_PRIORITY,
    MOON_BUILD_TARGET_BACKUP,
    MOON_BUILD_TARGET_REMOTE,
    MOON_BUILD_TARGET_TLS,
    MOON_BUILD_DISCOVERED, /* 1: targets come at run time, see moon_upstream_take() */
    MOON_BUILD_TLS_VERIFY,
    MOON_BUILD_IDLE_CONNECTIONS,
    MOON_BUILD_IDLE_SECONDS,
    MOON_BUILD_CONNECTIONS,
    MOON_BUILD_FAILURES,
    MOON_BUILD_SET_ASIDE,
    MOON_BUILD_SET_ASIDE_MAX,
    MOON_BUILD_HASH_BOUND,
    MOON_BUILD_SLOW_START,
    MOON_BUILD_SPILL,
    MOON_BUILD_PANIC,
    MOON_BUILD_OUTLIER_SHARE,
    MOON_BUILD_OUTLIER_SLOW,
    MOON_BUILD_OUTLIER_WINDOW,
    MOON_BUILD_OUTLIER_REQUESTS,
    MOON_BUILD_OUTLIER_EJECTED,
    MOON_BUILD_PROBE_HTTP, /* 1; 0: a connection is enough; nothing: nobody probes */
    MOON_BUILD_PROBE_INTERVAL,
    MOON_BUILD_PROBE_JITTER,
    MOON_BUILD_PROBE_TIMEOUT,
    MOON_BUILD_PROBE_RISE,
    MOON_BUILD_PROBE_FALL,
    MOON_BUILD_RETRY_BUDGET,
    MOON_BUILD_RETRY_BUDGET_MIN,
    MOON_BUILD_RETRY_BUDGET_REPORT_ONLY,
    /* circuit breakers, of clusters and routes: there is one when its window (seconds) is given */
    MOON_BUILD_BREAKER_WINDOW,
    MOON_BUILD_BREAKER_OPEN,
    MOON_BUILD_BREAKER_MINIMUM,
    MOON_BUILD_BREAKER_PROBES,
    MOON_BUILD_BREAKER_FAILURES,
    MOON_BUILD_BREAKER_SLOW,
    MOON_BUILD_BREAKER_SLOW_SHARE,
    MOON_BUILD_BREAKER_REPORT_ONLY,
    /* hedging, of clusters and routes: there are rules when its attempts are given */
    MOON_BUILD_HEDGE_ATTEMPTS,
    MOON_BUILD_HEDGE_SECONDS,
    MOON_BUILD_HEDGE_QUANTILE,
    MOON_BUILD_HEDGE_SHARE,
    MOON_BUILD_HEDGE_REPORT_ONLY,
    /* clusters: their limit of requests at once when its maximum is given, and their queue when its
       size is (deadline and window in seconds) */
    MOON_BUILD_ADAPTIVE_MIN,
    MOON_BUILD_ADAPTIVE_MAX,
    MOON_BUILD_ADAPTIVE_INITIAL,
    MOON_BUILD_ADAPTIVE_WINDOW,
    MOON_BUILD_ADAPTIVE_TOLERANCE,
    MOON_BUILD_ADAPTIVE_REPORT_ONLY,
    MOON_BUILD_QUEUE_SIZE,
    MOON_BUILD_QUEUE_DEADLINE,
    MOON_BUILD_QUEUE_REPORT_ONLY,
    /* deadlines, of routes: there are rules when the format is given (enum deadline_format) */
    MOON_BUILD_DEADLINE_FORMAT,
    MOON_BUILD_DEADLINE_MAX,
    MOON_BUILD_DEADLINE_LEAST,
    MOON_BUILD_DEADLINE_TRUST,
    MOON_BUILD_DEADLINE_PASS_ON,
    MOON_BUILD_DEADLINE_REPORT_ONLY,
    /* consumers; of the credential given last, seconds since the epoch */
    MOON_BUILD_CREDENTIAL_EXPIRES,
    /* listeners; client certificates: 0 none, 1 optional, 2 required; version: 2 or 3 for
       TLS 1.2, 1.3 */
    MOON_BUILD_ADMIN,
    MOON_BUILD_PROXY_PROTOCOL,
    MOON_BUILD_TLS_CLIENT,
    MOON_BUILD_CLIENT_CRL_EXPIRED,
    MOON_BUILD_TLS_VERSION,
    /* routes; those of the admin listener are matched apart; the cluster by its index */
    MOON_BUILD_CLUSTER,
    MOON_BUILD_PRIORITY,
    MOON_BUILD_CONNECT_SECONDS,
    MOON_BUILD_RESPONSE_SECONDS,
    MOON_BUILD_BODY_IDLE_SECONDS,
    MOON_BUILD_TOTAL_SECONDS,
    MOON_BUILD_RETRIES,
    MOON_BUILD_BODY_MAX,
    MOON_BUILD_UPGRADE,
    MOON_BUILD_PHASES,
    MOON_BUILD_CHAIN,
    MOON_BUILD_HAS_WHEN,
    MOON_BUILD_CRITICALITY,       /* as gateway/triage.h has it */
    MOON_BUILD_CRITICALITY_ASKED, /* a function tells it */
    MOON_BUILD_IS_ADMIN,
    MOON_BUILD_NUMBERS /* further ones: abi_cache.h */
};
void moon_build_number(struct generation *generation, int which, double value);
/* The names of a chain's plugins, by step: the number of the chain, for routes. */
uint32_t moon_build_chain(struct generation *generation, const struct slice *plugins,
                          uint32_t count);
/* Phases of `use` (of enum route_phase), for answers without a route. */
void moon_build_use(struct generation *generation, int phases, uint32_t chain);

/* ---- which route would match, for `moongate explain`: a built generation that is not committed
 * ---- */

void moon_explain_begin(struct generation *generation, bool is_admin);
/* METHOD, SCHEME, HOST (lower case, no port), QUERY (raw), SERVER_NAME, or PATH: false when that is
 * malformed. */
bool moon_explain_text(struct generation *generation, int which, const char *text, size_t length);
bool moon_explain_header(struct generation *generation, const char *name, size_t name_length,
                         const char *value, size_t value_length);
/* The best route; _next: the one after it, when its `when` says no. -1: none; -2: none for that
 * method. */
int moon_explain_match(struct generation *generation);
int moon_explain_next(struct generation *generation);
/* An enum route_miss: why that route does not match, 0 when it does. */
int moon_explain_why_not(struct generation *generation, uint32_t route);
/* Of the route that matched last: what its path captured, as it is in the path; what goes upstream
 * instead of the path. */
bool moon_explain_capture(struct generation *generation, uint32_t at, struct slice *pair);
bool moon_explain_forward_path(struct generation *generation, struct slice *path);
/* An enum moon_explain_way: what the cache does with a request; by which key it is looked up, or
 * why it is not. */
int moon_explain_cache(struct generation *generation, struct slice *text);
enum moon_explain_way { MOON_CACHE_NONE, MOON_CACHE_LOOKUP, MOON_CACHE_PASS, MOON_CACHE_WRITE };
bool moon_explain_allowed(struct generation *generation, struct slice *methods);
