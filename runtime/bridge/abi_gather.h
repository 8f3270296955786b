/*
 * abi_gather — requests to several upstreams side by side, as Lua asks for them (see gather.h).
 *
 * Read as abi.h is.
 */

/* ---- what is asked for again and again, checked once: lives as long as the generation ---- */

/* `count` parts, whose places are from 0. Only while the gateway serves. */
struct gather_plan *moon_gather_plan(struct generation *generation, uint32_t count);
/* A field of the client's request that every part gets which has none of that name. */
void moon_gather_plan_forward(struct gather_plan *plan, const char *name, size_t length);

enum moon_gather_text {
    MOON_GATHER_METHOD,    /* default: GET */
    MOON_GATHER_AUTHORITY, /* what Host says; before the fields */
    MOON_GATHER_PATH,      /* with the query */
    MOON_GATHER_BODY,      /* default: none */
    MOON_GATHER_MEMBER     /* how the part begins in the document: "\"name\":" */
};
/* False when the request may not have it. */
bool moon_gather_plan_text(struct gather_plan *plan, uint32_t place, int which, const char *text,
                           size_t length);
/* In the place of what all get. */
bool moon_gather_plan_field(struct gather_plan *plan, uint32_t place, const char *name,
                            size_t name_length, const char *value, size_t value_length);

enum moon_gather_interest {
    MOON_GATHER_AT_THE_END,  /* nobody looks at it before all have ended */
    MOON_GATHER_WHEN_FAILED, /* who waits is told when it has no value */
    MOON_GATHER_WHEN_ENDED   /* ... is told in any case */
};
enum moon_gather_number {
    MOON_GATHER_TARGET,   /* of core.fetch.target() */
    MOON_GATHER_SECONDS,  /* for this part alone; default: no such limit */
    MOON_GATHER_LIMIT,    /* bytes of its answer's body */
    MOON_GATHER_INTEREST, /* enum moon_gather_interest */
    MOON_GATHER_IS_FIXED  /* asked in the same way each time */
};
/* Where all parts have values, the document is made of them as they are, and nothing else is done.
 */
void moon_gather_plan_whole(struct gather_plan *plan);
/* False when there is no such target. */
bool moon_gather_plan_number(struct gather_plan *plan, uint32_t place, int which, double value);

/* ---- one exchange's ---- */

/*
 * Parts that are fixed are asked at once, all others when it is said. After `seconds` what has not
 * ended fails. core.gather.wait() sends what has been asked for. False when a field to forward is
 * not what a request may have. Nothing where C has asked already (gather_answer.h).
 */
bool moon_gather_begin(struct exchange *exchange, struct gather_plan *plan, double seconds);
void moon_gather_ask(struct exchange *exchange, uint32_t place);
/* MOON_GATHER_PATH or _BODY of a part that has just been asked: false when it may not be. */
bool moon_gather_ask_text(struct exchange *exchange, uint32_t place, int which, const char *text,
                          size_t length);
bool moon_gather_ask_field(struct exchange *exchange, uint32_t place, const char *name,
                           size_t name_length, const char *value, size_t value_length);

enum moon_gather_outcome {
    MOON_GATHER_NOT_ASKED, /* or not ended */
    MOON_GATHER_HAS_VALUE, /* JSON in UTF-8 */
    MOON_GATHER_BAD_STATUS,
    MOON_GATHER_NOT_JSON,
    MOON_GATHER_FAULT /* no answer at all */
};
int moon_gather_outcome(struct exchange *exchange, uint32_t place);
/* How many have ended without a value. */
uint32_t moon_gather_failures(struct exchange *exchange);
/* 0 without an answer. */
int moon_gather_status(struct exchange *exchange, uint32_t place);
/* Of the answer; values of the same name joined. */
bool moon_gather_header(struct exchange *exchange, uint32_t place, const char *name, size_t length,
                        struct slice *value);
/* "upstream-refused" */
bool moon_gather_fault(struct exchange *exchange, uint32_t place, struct slice *text);
/* Whether the answer had a body; an empty one of a good status is the value null. */
bool moon_gather_has_body(struct exchange *exchange, uint32_t place);
/* Without blanks around it. */
bool moon_gather_value(struct exchange *exchange, uint32_t place, struct slice *value);
/* Stands in the document from now on; NULL: the part is left out. */
void moon_gather_set_value(struct exchange *exchange, uint32_t place, const char *text,
                           size_t length);
/* What still runs is broken off. */
void moon_gather_stop(struct exchange *exchange);
/*
 * The answer's body is the object of all values, in the order of their places; `more`: further
 * members. After moon_answer_begin().
 */
void moon_answer_gathered(struct exchange *exchange, const char *more, size_t length);
/*
 * The answer that has been handed over is what each request of the exchange's route gets, where all
 * parts have values and the plan is whole: C gives it by itself from now on (gather_answer.h).
 * Nothing else may take part in the route's request phase.
 */
void moon_gathered_keep(struct exchange *exchange);
