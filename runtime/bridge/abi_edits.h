/*
 * abi_edits — response phases that C runs by itself: what their steps change, and what they tell of
 * limits.
 */

enum moon_edit {
    MOON_EDIT_STEP,   /* `number` of the chain, from 0: what follows is its; a call of its plugin */
    MOON_EDIT_SET,    /* the field `name` becomes `value`, whatever there was of that name */
    MOON_EDIT_ADD,    /* ... beside what there is of that name */
    MOON_EDIT_REMOVE, /* ... all of that name */
    MOON_EDIT_RENAME, /* what there is of `name` takes the place of what there is of `value` */
    MOON_EDIT_STATUS, /* `number`, unless the gateway made the answer */
    MOON_EDIT_SET_ID, /* the field `name` becomes the request's id */
    MOON_EDIT_LIMITS  /* moon_limit_write() */
};
/* A program of so many edits, which are put into it one after the other; lives as long as the
 * generation. Names and values have been checked. */
struct edits *moon_edits_begin(struct generation *generation, uint32_t count);
void moon_edits_put(struct generation *generation, struct edits *edits, int kind, const char *name,
                    size_t name_length, const char *value, size_t value_length, int number);
/* From now on, that is what the response phase of the exchange's route does, or that of `use` where
 * it has none. */
void moon_edits_keep(struct exchange *exchange, const struct edits *edits);

/* What is said of one limit: the field RateLimit-Policy, and how RateLimit begins. Lives as long as
 * the generation. */
struct limit_told *moon_limit_told(struct generation *generation, const char *policy,
                                   size_t policy_length, const char *subject,
                                   size_t subject_length);
/* Adds both fields of each limit that this step of the chain has noted: an enum moon_field. */
int moon_limit_write(struct exchange *exchange);
