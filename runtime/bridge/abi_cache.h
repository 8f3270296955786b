/*
 * abi_cache — answers that are cached, as Lua sees them: the plugin `cache`.
 *
 * As abi.h, which it follows in the text that Lua loads.
 */

/* ---- one exchange ---- */

/* It has been found out who asks: the answer may be for that caller alone. */
void moon_set_authenticated(struct exchange *exchange);
/* The cache takes part in this request, on a route whose plugin `cache` has a `when`. */
void moon_cache_use(struct exchange *exchange);
/* Who asks, for the cache of a route whose keys have it. */
void moon_cache_consumer(struct exchange *exchange, const char *name, size_t length);
/* The cache has no part in this request. */
void moon_cache_skip(struct exchange *exchange);

/* ---- building a cache policy: beside the enums of abi.h ---- */

enum moon_build_cache_text {
    MOON_BUILD_CACHE_NAME = MOON_BUILD_TEXTS,
    MOON_BUILD_CACHE_STATUS, /* "404" or "500-599", then its ttl as a number */
    MOON_BUILD_CACHE_TARGETED,
    MOON_BUILD_CACHE_KEY_HEADER,
    MOON_BUILD_CACHE_KEY_COOKIE,
    MOON_BUILD_CACHE_QUERY_NAME,
    MOON_BUILD_CACHE_TAGS
};
/* In the order of enum cache_condition_kind; value NULL: present with any value. */
enum moon_build_cache_pair {
    MOON_BUILD_BYPASS_HEADER = MOON_BUILD_PAIRS,
    MOON_BUILD_BYPASS_COOKIE,
    MOON_BUILD_BYPASS_QUERY,
    MOON_BUILD_NO_STORE_HEADER,
    MOON_BUILD_NO_STORE_COOKIE,
    MOON_BUILD_NO_STORE_QUERY
};
enum moon_build_cache_number {
    /* of a route */
    MOON_BUILD_CACHE = MOON_BUILD_NUMBERS, /* its policy, by its index */
    MOON_BUILD_CACHE_ASKED,                /* only where a plugin says so: moon_cache_use() */
    /* of a policy; SET_COOKIE and QUERY: the enums of cache/cache_policy.h */
    MOON_BUILD_CACHE_STATUS_TTL,
    MOON_BUILD_CACHE_TTL,
    MOON_BUILD_CACHE_TTL_FORCED,
    MOON_BUILD_CACHE_TTL_MAX,
    MOON_BUILD_CACHE_HEURISTIC,
    MOON_BUILD_CACHE_HEURISTIC_MAX,
    MOON_BUILD_CACHE_GRACE,
    MOON_BUILD_CACHE_STALE_IF_ERROR,
    MOON_BUILD_CACHE_KEEP,
    MOON_BUILD_CACHE_AFTER_S_MAXAGE,
    MOON_BUILD_CACHE_GETS,
    MOON_BUILD_CACHE_HEADS,
    MOON_BUILD_CACHE_POSTS,
    MOON_BUILD_CACHE_SET_COOKIE,
    MOON_BUILD_CACHE_OBEYS_CLIENTS,
    MOON_BUILD_CACHE_RANGE_PASSED,
    MOON_BUILD_CACHE_QUERY,
    MOON_BUILD_CACHE_BY_CONSUMER,
    MOON_BUILD_CACHE_TAGS_HIDDEN,
    MOON_BUILD_CACHE_OBJECT_MAX,
    MOON_BUILD_CACHE_STATUS_SHOWN,
    MOON_BUILD_CACHE_KEY_SHOWN,
    MOON_BUILD_CACHE_NUMBERS
};

/* ---- what is stored ---- */

/*
 * Purges what a line says, "[soft ]KIND[ VALUE]" of cache/cache_purge.h. 0: done; 1: it counts, and
 * moon_cache_sweep() has to follow; -1: `fault` says what is wrong.
 */
int moon_cache_purge(struct generation *generation, const char *line, size_t length,
                     struct slice *fault);
/* Looks at some of the store, for some 50 µs, and takes out what was purged; `state` is all zero at
 * first. False: it has looked at all of it. */
enum moon_cache_sweep {
    MOON_CACHE_SWEEP_PURGED, /* answers taken out so far */
    MOON_CACHE_SWEEP_STAMP,
    MOON_CACHE_SWEEP_PAGE,
    MOON_CACHE_SWEEP_HAS_BEGUN,
    MOON_CACHE_SWEEP_NUMBERS
};
bool moon_cache_sweep(struct generation *generation, uint64_t *state);
/* Over all workers, since the memory was made; the last four are as of now. */
enum moon_cache_number {
    MOON_CACHE_FOUND,
    MOON_CACHE_MISSED,
    MOON_CACHE_COLLAPSED,
    MOON_CACHE_STORED,
    MOON_CACHE_REFRESHED,
    MOON_CACHE_EVICTED,
    MOON_CACHE_EXPIRED,
    MOON_CACHE_PURGED,
    MOON_CACHE_REFUSED,
    MOON_CACHE_OBJECTS,
    MOON_CACHE_FILLING,
    MOON_CACHE_BYTES,
    MOON_CACHE_BYTES_FREE,
    MOON_CACHE_NUMBERS
};
/* All of them, MOON_CACHE_NUMBERS. */
void moon_cache_numbers(struct generation *generation, double *numbers);

/* ---- how much of it is whose ---- */

/* What moon_cache_held_ work on, zero at the beginning: so many bytes, aligned to eight. */
size_t moon_cache_held_bytes(void);
/* Looks at some of the store, for some 100 µs; false when that was all. */
bool moon_cache_held_look(struct generation *generation, void *held);
/* The next route of which something is stored or gave way to others: numbers[0] bytes, [1] how many
 * answers gave way. False: there is none, and these are the numbers of what is of no route. */
bool moon_cache_held_next(struct generation *generation, void *held, uint32_t *route,
                          struct slice *name, double *numbers);

/* ---- what became of a request ---- */

struct moon_cache_seen {
    struct slice outcome; /* "hit", "stale", "miss", "revalidated", "expired", "bypass" */
    struct slice reason;  /* why the upstream was asked: "uri-miss"; start NULL: it was not */
    struct slice detail;  /* why its answer was not stored: "private"; start NULL: it was */
    double age, ttl;      /* seconds, where has_ttl */
    bool has_ttl, is_stored, is_collapsed;
};
/* False when the cache had no part in it. */
bool moon_cache_seen(struct exchange *exchange, struct moon_cache_seen *seen);

/* ---- what plugins have found out with effort, as shm/values.h has it ---- */

enum moon_value { MOON_VALUE_UNKNOWN, MOON_VALUE_TEXT, MOON_VALUE_NOTHING };
/* Slots of a cache's counters, by which what becomes of its keys is counted. */
enum moon_value_counter {
    MOON_VALUE_HITS,
    MOON_VALUE_MISSES,
    MOON_VALUE_COLLAPSED,
    MOON_VALUE_EVICTED,
    MOON_VALUE_COUNTERS
};
/* Keys are the name of the cache, NUL, and the rest. `text` lives until the next call. */
int moon_value_get(struct generation *generation, const uint32_t *counters, const char *key,
                   size_t key_length, struct slice *text);
bool moon_value_set(struct generation *generation, const uint32_t *counters, const char *key,
                    size_t key_length, int kind, const char *text, size_t text_length,
                    double seconds, bool only_new);
void moon_value_delete(struct generation *generation, const char *key, size_t key_length);
bool moon_value_is_loading(struct generation *generation, const char *key, size_t key_length);
/* Another number after each purge of any cache. */
double moon_value_epoch(struct generation *generation);
/* The right to find a value out for all, for so long: its number, or why there is none. */
enum moon_flight { MOON_FLIGHT_TAKEN = 0, MOON_FLIGHT_UNSHARED = -1 };
double moon_flight_begin(struct generation *generation, const uint32_t *counters, const char *key,
                         size_t key_length, double seconds, bool renews);
/* Its outcome; `seconds` 0: for those who wait alone. False: it was given up by then, or there was
 * no room. */
bool moon_flight_end(struct generation *generation, double flight, int kind, const char *text,
                     size_t text_length, double seconds);
