/*
 * consumers — all consumers of a generation, found by their names or by a credential.
 *
 * Built once, read-only afterwards, outside of the Lua heap: a hundred thousand of them cost the
 * collector nothing. Of a credential its name is what somebody is found by ("key/", then the
 * SHA-256 of an API key; "basic/anna"): it is found by a keyed hash and then compared in constant
 * time. What has to be compared afterwards, if anything, is its secret.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

#define CONSUMERS_MAX     (1u << 24)
#define CONSUMERS_MISSING (-1)

struct consumers;

enum consumer_list { CONSUMER_GROUPS, CONSUMER_ROLES, CONSUMER_SCOPES, CONSUMER_LISTS };

struct consumer {
    struct slice name;
    struct slice plan; /* empty: none */
    const struct slice *lists[CONSUMER_LISTS];
    uint32_t list_counts[CONSUMER_LISTS];
    const struct slice *tags; /* name and value in turn */
    uint32_t tag_count;
};

struct credential {
    struct slice name, secret; /* secret: as the kind has it, often empty */
    double expires;            /* seconds since the epoch; 0: never */
    int consumer;
};

/* Everything added is copied into the arena, which must outlive it. */
struct consumers *consumers_create(struct arena *arena);
void consumers_destroy(struct consumers **consumers);

/* CONSUMERS_MISSING when the name is taken. */
int consumers_add(struct consumers *consumers, const struct consumer *consumer);
/* False when that name is another credential's; empty ones are refused too. */
bool consumers_add_credential(struct consumers *consumers, const struct credential *credential);

/* Index, or CONSUMERS_MISSING. */
int consumers_by_name(const struct consumers *consumers, struct slice name);
/* NULL when there is none, or it has expired by then. */
const struct credential *consumers_credential(const struct consumers *consumers, struct slice name,
                                              double now);
/* NULL beyond the last one. */
const struct consumer *consumers_at(const struct consumers *consumers, int index);
uint32_t consumers_count(const struct consumers *consumers);
