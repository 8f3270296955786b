/*
 * abi_shared — what Lua may call for what lies outside of exchanges: memory that all workers share,
 * the gateway's own counts, files of lines.
 *
 * As abi.h, which it follows in the text that Lua loads. Only while the generation serves
 * (moon_is_live).
 */

/* ---- consumers of the configuration, by numbers that look-ups return; -1: none ---- */

/* `digest` gets the 32 bytes of the key's SHA-256. */
int moon_consumer_by_key(struct generation *generation, const char *key, size_t length,
                         char *digest);
enum moon_consumer_by_field { MOON_CONSUMER_UNKNOWN = -1, MOON_CONSUMER_NO_FIELD = -2 };
/* The same by the key in a field of the request, read where it stands: as moon_header_get() has it,
 * so several of that name are one key. No digest is left where there is no field. */
int moon_consumer_by_field(struct exchange *exchange, int id, const char *name, size_t name_length,
                           char *digest);
/* By the name of a credential, with its secret; as bridge/consumers.h has them. */
int moon_consumer_by_credential(struct generation *generation, const char *name, size_t length,
                                struct slice *secret);
int moon_consumer_by_name(struct generation *generation, const char *name, size_t length);
uint32_t moon_consumer_count(struct generation *generation);
/* Puts them in the order of their names, when all have been built. */
void moon_build_order(struct generation *generation);
/* The first one in that order whose name is behind that one. */
int moon_consumer_after(struct generation *generation, const char *name, size_t length);
/* texts[0] its name, texts[1] that of its plan, if any. */
void moon_consumer_texts(struct generation *generation, int consumer, struct slice *texts);
enum moon_consumer_list {
    MOON_CONSUMER_GROUPS,
    MOON_CONSUMER_ROLES,
    MOON_CONSUMER_SCOPES,
    MOON_CONSUMER_TAGS
};
/* Tells the upstream the consumer's name in a field of the request, as moon_header_set(), once what
 * the client says of itself is gone: all fields called x-consumer-…, and with `is_alone` those that
 * are called alike. */
int moon_consumer_tell(struct exchange *exchange, int consumer, int id, const char *name,
                       size_t name_length, bool is_alone);
/* Walks over the texts of a list: begin with *at = 0. Of tags they are names and values in turn. */
bool moon_consumer_item(struct generation *generation, int consumer, int list, uint32_t *at,
                        struct slice *item);

/* ---- counters, histograms, limits, dictionaries ---- */

enum moon_counter_kind { MOON_COUNTER_TOTAL, MOON_COUNTER_SECONDS, MOON_COUNTER_GAUGE };
/* The slot for a name with labels (`code="200",route="users"`); 0 when there is no room: it counts
 * for all that found none. Look it up once. */
uint32_t moon_counter_slot(struct generation *generation, int kind, const char *name,
                           size_t name_length, const char *labels, size_t labels_length);
/* Seconds where the kind is that. */
void moon_counter_add(struct generation *generation, int kind, uint32_t slot, double amount);
/* This worker's part of a gauge. */
void moon_gauge_set(struct generation *generation, uint32_t slot, double value);
/* The sum over all workers. */
double moon_counter_value(struct generation *generation, int kind, uint32_t slot);
/* Walks over all of them: start with *cursor = 0. texts[0] is the name, texts[1] the labels;
 * numbers[0] the kind, numbers[1] the value. */
bool moon_counter_next(struct generation *generation, size_t *cursor, struct slice *texts,
                       double *numbers);
uint32_t moon_histogram_slot(struct generation *generation, const char *name, size_t name_length,
                             const char *labels, size_t labels_length);
void moon_histogram_observe(struct generation *generation, uint32_t slot, double seconds);
/* As moon_counter_next; numbers[0] is the sum in seconds, numbers[1] the count, then one count for
 * each bucket, on its own. */
bool moon_histogram_next(struct generation *generation, size_t *cursor, struct slice *texts,
                         double *numbers);
/* How many buckets there are, and what bucket holds at most, in seconds; the last one: infinity. */
uint32_t moon_histogram_buckets(void);
double moon_histogram_bound(uint32_t bucket);

/* The slots of the series that the plugin metrics counts an exchange in: see tally.h. */
enum moon_tally {
    MOON_TALLY_REQUESTS, /* of the answer's status */
    MOON_TALLY_DURATIONS,
    MOON_TALLY_RECEIVED,
    MOON_TALLY_SENT,
    MOON_TALLY_ATTEMPTS,
    MOON_TALLY_ABORTED,
    MOON_TALLY_SLOTS
};
/* Counts an exchange that has ended, and remembers the slots for its route and status. */
void moon_tally_count(struct exchange *exchange, const uint32_t *slots);
/* Counts it as one before it; false: nothing is known of its route and status. */
bool moon_tally_again(struct exchange *exchange);
/* Nothing but the plugin metrics, at that step of the chain, takes part in the route's log phase:
 * C may do without Lua from now on. */
void moon_tally_alone(struct exchange *exchange, uint32_t step);

/*
 * Takes `cost` units of a limit (GCRA) for the scope. 0: allowed, 1: denied, 2: denied, since the
 * table of limits is full, -1: the numbers are out of range.
 * numbers[0]: units that would be allowed at once now; [1]: seconds to wait before trying again
 * (infinity: never); [2]: seconds until all of the allowance is back.
 */
int moon_limit_take(struct generation *generation, struct slice *name_and_scope, double limit,
                    double window_seconds, double burst, double cost, double *numbers);
/* Gives back what moon_limit_take() has just charged. */
void moon_limit_give(struct generation *generation, struct slice *name_and_scope, double limit,
                     double window_seconds, double burst, double cost);

/* How a limit counts in windows, and flags of moon_limit_charge(): see shm/limiter_window.h. */
enum moon_window {
    MOON_WINDOW_FIXED,
    MOON_WINDOW_SLIDING,
    MOON_WINDOW_FROM_FIRST,
    MOON_WINDOW_MAY_EXCEED = 4,
    MOON_WINDOW_MUST_EXIST = 8
};
/* As moon_limit_take(), of the window that is now: from one multiple of `seconds` since the epoch
 * to the next. */
int moon_window_take_now(struct generation *generation, struct slice *name_and_scope, int how,
                         double limit, double seconds, double cost, double *numbers);
void moon_window_give_now(struct generation *generation, struct slice *name_and_scope, int how,
                          double limit, double seconds, double cost);
/* Makes the window from `start` to `end`, whole seconds since the epoch, with so much used, unless
 * there is one. False: there is no room, or the numbers are out of range. */
bool moon_window_begin(struct generation *generation, struct slice *name_and_scope, int how,
                       double limit, double start, double end, double used);
/* numbers[0]: what was used in a window, however it counts now; [1]: the end of it, which is
 * another one's when the one that was asked for is over. False: there is none. */
bool moon_window_used(struct generation *generation, struct slice *name_and_scope, int how,
                      double start, double end, double *numbers);

/*
 * One of `limit` slots for the scope, which the exchange has until it ends. 0: taken, 1: none is
 * free, 2: none can be had, since there is no room to note it, -1: the limit is out of range.
 * used[0]: how many are taken.
 */
int moon_slot_take(struct exchange *exchange, struct slice *name_and_scope, double limit,
                   double *used);

/* The dictionary, in which nothing that lives gives way. */
enum moon_dict {
    MOON_DICT_DONE,
    MOON_DICT_MISSING,
    MOON_DICT_EXISTS,
    MOON_DICT_NOT_INTEGER,
    MOON_DICT_OUT_OF_RANGE,
    MOON_DICT_TOO_LARGE,
    MOON_DICT_NO_ROOM
};
/* `text` is set for a string, else its start is NULL and *number is the integer. */
int moon_dict_get(struct generation *generation, const char *key, size_t key_length,
                  struct slice *text, double *number);
/* value NULL: the integer `number`. `seconds` to live, 0: for good. `only_new`: as dict_add. */
int moon_dict_set(struct generation *generation, const char *key, size_t key_length,
                  const char *value, size_t value_length, double number, double seconds,
                  bool only_new);
/* *number is what to add, then the sum. */
int moon_dict_increment(struct generation *generation, const char *key, size_t key_length,
                        double *number, double seconds);
int moon_dict_delete(struct generation *generation, const char *key, size_t key_length);

/* ---- the store, as store/store.h has it: reading; "moongate.core.store" changes it ---- */

enum moon_store {
    MOON_STORE_DONE,
    MOON_STORE_MISSING,
    MOON_STORE_CONFLICT,
    MOON_STORE_NOT_NUMBER,
    MOON_STORE_FULL,
    MOON_STORE_LOST,
    MOON_STORE_FAILED
};
enum moon_store_change {
    MOON_STORE_PUT,
    MOON_STORE_DELETE,
    MOON_STORE_ADD,
    MOON_STORE_RAISE,
    MOON_STORE_CHECK
};
enum moon_store_condition {
    MOON_STORE_ALWAYS,
    MOON_STORE_IF_ABSENT,
    MOON_STORE_IF_PRESENT,
    MOON_STORE_IF_EQUAL
};
/* Whether the configuration has one; without it nothing below may be called. */
bool moon_store_is_open(struct generation *generation);
/* Texts live until the store is read again. */
int moon_store_get(struct generation *generation, const char *key, size_t length,
                   struct slice *value);
/* The first key behind the second text that begins with the first one: key and value. */
int moon_store_next(struct generation *generation, struct slice *prefix_and_after,
                    struct slice *pair);
/* Number of the last change. */
double moon_store_serial(struct generation *generation);
/* The change after number *serial, which becomes its number: its key. LOST: some are not known any
 * more; *serial is the last one. */
int moon_store_next_change(struct generation *generation, double *serial, struct slice *key);

/* ---- what the gateway knows of itself, for /status and /metrics ---- */

enum moon_worker_count {
    MOON_WORKER_CONNECTIONS_ACTIVE,
    MOON_WORKER_EXCHANGES_ACTIVE,
    MOON_WORKER_INDEX,
    MOON_WORKER_COUNT,
    MOON_WORKER_DRAINING,
    MOON_WORKER_LOG_DROPPED,
    MOON_WORKER_SINK_DROPPED,
    MOON_WORKER_GENERATIONS
};
double moon_worker_number(struct generation *generation, int which);
/* By how much it is more than when this was asked before, by whatever generation of the worker. */
double moon_worker_growth(struct generation *generation, int which);

/* Of the memory that all workers share: what is in use, and how often there was no room. */
enum moon_shared_count {
    MOON_SHARED_COUNTERS,
    MOON_SHARED_COUNTERS_REFUSED,
    MOON_SHARED_HISTOGRAMS,
    MOON_SHARED_HISTOGRAMS_REFUSED,
    MOON_SHARED_LIMITS_REFUSED,
    MOON_SHARED_SLOTS_REFUSED,
    MOON_SHARED_DICT_BYTES,
    MOON_SHARED_DICT_REFUSED,
    MOON_SHARED_VALUES,
    MOON_SHARED_VALUE_BYTES,
    MOON_SHARED_VALUES_REFUSED,
    MOON_SHARED_PLUGIN_ROUTES,
    MOON_SHARED_PLUGIN_ROUTES_REFUSED
};
double moon_shared_number(struct generation *generation, int which);

/* Of one of the workers, from 0: how far it has come, its process, the generation of its new
 * requests, how many seconds its loop is late, and the share of requests that it refuses for that.
 * False: there is nobody. */
bool moon_worker_at(struct generation *generation, uint32_t worker, struct slice *state,
                    double *numbers);

/* What plugins cost: on a route, or elsewhere, as there is no route or it found no room. Walks as
 * moon_counter_next(): texts[0] the plugin, texts[1] the route; numbers: calls, errors, seconds of
 * CPU, seconds of waiting, and for how many calls those that were measured stand. */
enum moon_plugin_cost { MOON_PLUGIN_ON_ROUTE, MOON_PLUGIN_ELSEWHERE };
bool moon_plugin_cost_next(struct generation *generation, int which, size_t *cursor,
                           struct slice *texts, double *numbers);

/* JSON of the master's: which generation runs, and how the last reloads went. False when there is
 * none. */
bool moon_notice(struct generation *generation, struct slice *text);

/* Circuit breakers, in no order; walks as moon_counter_next(). Numbers: 0 closed, 1 open, 2 half
 * open; how often it was opened; requests refused. */
bool moon_breaker_next(struct generation *generation, size_t *cursor, struct slice *name,
                       double *numbers);
/* Closes the one of that name, in all workers; false when there is none. */
bool moon_breaker_reset(struct generation *generation, const char *name, size_t length);

/* Limits of requests at once, and queues, by upstream; walks as moon_counter_next(). Seconds, all
 * sums of all workers. */
enum moon_gate_number {
    MOON_GATE_LIMIT, /* 0: none, or nothing has been learnt */
    MOON_GATE_ACTIVE,
    MOON_GATE_LIMITED,
    MOON_GATE_USUAL,
    MOON_GATE_RECENT,
    MOON_GATE_QUEUED,
    MOON_GATE_WAITED,
    MOON_GATE_WAITED_SECONDS,
    MOON_GATE_EXPIRED,
    MOON_GATE_OVERFLOWED,
    MOON_GATE_NUMBERS
};
bool moon_gate_next(struct generation *generation, size_t *cursor, struct slice *name,
                    double *numbers);
/* Forgets what was learnt of that upstream, in all workers; false when there is none. */
bool moon_gate_reset(struct generation *generation, const char *name, size_t length);

/* Targets of the generation's upstreams: texts[0] the upstream, [1] the target, [2] its URL. */
enum moon_target_number {
    MOON_TARGET_WEIGHT,
    MOON_TARGET_BUSY,
    MOON_TARGET_IDLE,
    MOON_TARGET_FAILURES,
    MOON_TARGET_SET_ASIDE,
    MOON_TARGET_ATTEMPTS,
    MOON_TARGET_ERRORS,
    MOON_TARGET_WEIGHT_NOW,
    MOON_TARGET_SHARE,
    MOON_TARGET_PRIORITY,
    MOON_TARGET_BACKUP,
    MOON_TARGET_REMOTE,
    MOON_TARGET_PROBED,
    MOON_TARGET_PROBES /* 0: not known, 1: up, 2: down */,
    MOON_TARGET_PROBES_TOTAL,
    MOON_TARGET_PROBES_FAILED,
    MOON_TARGET_MODE /* 0: in service, 1: draining, 2: disabled */,
    MOON_TARGET_ACTIVE,
    MOON_TARGET_LATENCY /* seconds; 0: not known */,
    MOON_TARGET_PANIC /* of its upstream */,
    MOON_TARGET_RETRIES_REQUESTS /* of its upstream: in the window of its budget */,
    MOON_TARGET_RETRIES /* likewise */,
    MOON_TARGET_RETRIES_REFUSED /* of its upstream, since it is there */,
    MOON_TARGET_HEDGED /* of its upstream: 1: requests may be sent twice */,
    MOON_TARGET_NUMBERS
};
bool moon_target_at(struct generation *generation, uint32_t upstream, uint32_t target,
                    struct slice *texts, double *numbers);
/* Tells all workers how many connections this one has to them. */
void moon_targets_tell(struct generation *generation);
/* Drains, disables, enables or weighs a target, or resets it to what is configured, in all workers.
 * texts: the upstream, the target, the action. `*nearest`: for a name that is not known. */
enum moon_target_change {
    MOON_TARGET_CHANGED,
    MOON_TARGET_NO_UPSTREAM,
    MOON_TARGET_NO_TARGET,
    MOON_TARGET_NO_ACTION
};
int moon_target_change(struct generation *generation, const struct slice *texts, double weight,
                       struct slice *nearest);
/* What has been discovered: numbers of each target. */
enum moon_take_number {
    MOON_TAKE_PORT,
    MOON_TAKE_WEIGHT,
    MOON_TAKE_PRIORITY,
    MOON_TAKE_TLS,
    MOON_TAKE_BACKUP,
    MOON_TAKE_REMOTE,
    MOON_TAKE_NUMBERS
};
enum moon_take {
    MOON_TAKE_DONE,
    MOON_TAKE_SAME /* nothing has changed */,
    MOON_TAKE_NOT_DISCOVERED /* there is no such upstream */,
    MOON_TAKE_RETIRED /* the generation serves no more */
};
/*
 * The targets of an upstream whose targets are discovered: at once in the generation that serves,
 * with its entry in one that is being started. `hosts`: names, addresses or "/path" of unix
 * sockets; `numbers`: MOON_TAKE_NUMBERS for each. At most 1024, no two alike, weights 1 to 1000.
 */
int moon_upstream_take(struct generation *generation, const char *name, size_t length,
                       const struct slice *hosts, const double *numbers, uint32_t count);
/* The worker that probes for all, from 0; -1: none does. */
int moon_prober(struct generation *generation);

/* ---- files that lines are appended to ---- */

/* `path` is absolute or relative to the working directory, "stdout" or "stderr". The sink's number,
 * or -1 with the reason in `error`; it is closed with the generation. */
int moon_sink_open(struct generation *generation, const char *path, size_t length,
                   struct slice *error);
/* Appends a line feed. False when the line was dropped, which is counted. Never waits. */
bool moon_sink_write(struct generation *generation, int sink, const char *line, size_t length);
