/*
 * draft — what is collected of one object while Lua describes it, and where the finished ones are
 * put.
 *
 * The moon_build_ functions of abi.h fill it in; draft_finish_* of the object's own file makes
 * something of it.
 */
#pragma once

#include "bridge/generation_private.h"

/* Texts, pairs and targets of one object. */
#define DRAFT_ENTRIES_MAX 1000000
/* Beyond every enum moon_build_text and moon_build_number. */
#define DRAFT_TEXTS_MAX   64
#define DRAFT_NUMBERS_MAX 192

/* One of a list: a host, a target, a header condition. */
struct draft_entry {
    int which; /* enum moon_build_text, or DRAFT_PAIR + enum moon_build_pair */
    struct slice name, value;
    double port, weight, priority, is_tls, is_backup, is_remote; /* of targets */
    double expires;                                              /* of credentials */
    double ttl;                                                  /* of a cache's statuses */
};
#define DRAFT_PAIR 1000

/* A route's own policy, in the generation's arena. */
struct draft_route_policy {
    struct draft_route_policy *next;
    struct cache_policy policy;
};

struct explain;

struct draft {
    int object;                          /* enum moon_object; -1: none has begun */
    int last_object;                     /* that has begun */
    struct arena scratch;                /* reset with each object */
    struct arena lists;                  /* of what is in scratch, made where it is finished */
    struct arena paths;                  /* of moon_normalise_path */
    struct slice texts[DRAFT_TEXTS_MAX]; /* the last one given of each; start NULL: none */
    double numbers[DRAFT_NUMBERS_MAX];
    bool has_number[DRAFT_NUMBERS_MAX];
    struct draft_entry *entries;
    size_t entry_count, entry_capacity;
    size_t route_capacity, cluster_capacity;
    bool has_route_table; /* they are where they stay: no more have come than there is room for */
    struct cache_policy *cache_policies; /* in the generation's arena */
    size_t cache_policy_count, cache_policy_capacity;
    struct draft_route_policy *route_policies; /* the last one first */
    bool has_wider_keys;                       /* of them */
    struct slice error;                        /* in scratch */
    struct explain *explain;                   /* NULL unless somebody asks what would match */
};

/* Before the generation's arena, which holds it, goes. */
void explain_clear(struct explain *explain);

struct draft *draft_create(void);
void draft_destroy(struct draft **draft);

/* What was given, or the default. */
struct slice draft_text(const struct draft *draft, int which, struct slice missing);
double draft_number(const struct draft *draft, int which, double missing);
/* Whole numbers from 0 on. */
uint64_t draft_count(const struct draft *draft, int which, uint64_t missing);
/* All entries of that kind, their names or values, as an array that is there
 * until another object is finished. */
struct slice *draft_list(struct draft *draft, int which, size_t *count);

/* The PEM text that `given` is or that stands in the file of that path; none for none. False with
 * draft->error when it cannot be read. */
bool draft_pem(struct generation *generation, struct slice given, struct tls_pem *pem);

/* CIDR blocks of that list, in the generation's arena; NULL with draft->error when one is
 * malformed. */
const struct address_block *draft_blocks(struct generation *generation, int which, size_t *count);

/* Each: the object's index, or -1 with draft->error. */
/* The circuit breaker of the object, in `options`; NULL: it has none. */
const struct call_breaker_options *draft_breaker(const struct draft *draft,
                                                 struct call_breaker_options *options);

/* Its rules for hedging; false: it has none, and they are zero. */
bool draft_hedge(const struct draft *draft, struct hedge_rules *rules);
/* The admission of the cluster, in the generation's arena; NULL: it has none. */
const struct admission_options *draft_admission(struct generation *generation);

/* So many are about to come. */
void draft_expect_routes(struct generation *generation, size_t count);

double draft_finish_settings(struct generation *generation);
double draft_finish_cluster(struct generation *generation);
double draft_finish_listener(struct generation *generation);
double draft_finish_consumer(struct generation *generation);
double draft_finish_cache_policy(struct generation *generation);
double draft_finish_route(struct generation *generation);

/* When all routes are there: packs them, to be read at random. */
void draft_seal_routes(struct generation *generation);

/* The policy of that index as the route's of that name has it; NULL for none. */
const struct cache_policy *draft_cache_policy(struct generation *generation, struct slice route);
/* When all routes are there: what all their policies have to know of each other. */
void draft_seal_cache_policies(struct draft *draft);
