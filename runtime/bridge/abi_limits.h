/*
 * abi_limits — limits as the requests of a route come under them: what Lua may call for each, once.
 *
 * As abi.h, which it follows in the text that Lua loads. Only while the generation serves
 * (moon_is_live).
 */

/* What requests are counted by, where C finds it in them. */
enum moon_scope {
    MOON_SCOPE_GIVEN, /* a text of Lua's */
    MOON_SCOPE_ADDRESS,
    MOON_SCOPE_ROUTE,
    MOON_SCOPE_CONSUMER,
    MOON_SCOPE_HEADER,
    MOON_SCOPE_QUERY,
    MOON_SCOPE_COOKIE,
    MOON_SCOPE_PARAM
};

/*
 * A rule lives as long as the generation. `how`: an enum moon_window; MOON_LIMIT_GCRA, of which
 * `burst` may be used at once; or MOON_LIMIT_SLOTS, of which a request has one until it ends.
 * NULL: the numbers are out of range.
 */
enum moon_limit_how { MOON_LIMIT_GCRA = 16, MOON_LIMIT_SLOTS };
struct limit_rule *moon_limit_rule(struct generation *generation, const char *name,
                                   size_t name_length, int how, double limit, double seconds,
                                   double burst);
/* What it counts by, an enum moon_scope, and the name of the header, the parameter and so on. */
void moon_limit_rule_by(struct generation *generation, struct limit_rule *rule, int scope,
                        const char *name, size_t name_length);
/* What answers tell of it. */
void moon_limit_rule_tells(struct limit_rule *rule, const struct limit_told *told);
/* Both are asked together, this one first. */
void moon_limit_rule_next(struct limit_rule *rule, struct limit_rule *next);
/* The window that is now, where that has no length: whole seconds since the epoch. */
void moon_limit_rule_window(struct limit_rule *rule, double start, double stop);
/* The text that it counts the next request by, as Lua has found it; NULL: there is none. */
void moon_limit_rule_give(struct limit_rule *rule, const char *text, size_t length);

enum moon_limit_answer {
    MOON_LIMIT_ALLOWED = 0, /* above: the place of the rule that refuses, from 1 */
    MOON_LIMIT_UNIDENTIFIED = -1,
    MOON_LIMIT_OUT_OF_RANGE = -2
};
/*
 * Takes `cost` units of the rule and of those that are asked with it, or of none: of several, all
 * are only looked at first, then each is charged, and where another worker was faster the earlier
 * ones get back what they were charged. What answers tell is noted, until moon_limit_write(). A
 * request
 * without what it is counted by shares the empty text with others of its kind, or is UNIDENTIFIED.
 */
int moon_limit_ask(struct exchange *exchange, struct limit_rule *rule, double cost, bool may_share);
/* The same of a window that moon_limit_rule_window() has set, for a text of Lua's: an outcome as
 * moon_limit_take() has it; 3: there is no such window yet, and by the flags it must exist. */
int moon_limit_charge(struct exchange *exchange, struct limit_rule *rule, const char *scope,
                      size_t scope_length, int flags, double cost);
/*
 * How it stood with the request that a rule was asked for last; to be read before the next one is.
 * numbers[0]: units that are left; [1]: the seconds that answers tell; [2]: seconds to wait
 * (infinity: never; where nothing was refused 0); [3]: until all of the allowance is back.
 */
void moon_limit_said(const struct limit_rule *rule, double *numbers);
