/*
 * consumers — all consumers of a generation, found by their names or by a credential.
 *
 * Built once, read-only afterwards, outside of the Lua heap: a hundred thousand of them cost the
 * collector nothing. Each is a run of bytes in one buffer, with its credentials behind it, and the
 * tables that lead there have eight bytes a slot: whoever is found costs as few lines of the cache
 * as can be. Of a credential its name is what somebody is found by ("key/", then the SHA-256 of an
 * API key; "basic/anna"): it is found by a keyed hash and then compared in constant time. What has
 * to be compared afterwards, if anything, is its secret.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Consumers, and credentials. */
#define CONSUMERS_MAX     (1u << 24)
#define CONSUMERS_MISSING (-1)

struct consumers;

enum consumer_list {
    CONSUMER_GROUPS,
    CONSUMER_ROLES,
    CONSUMER_SCOPES,
    CONSUMER_TAGS, /* name and value in turn */
    CONSUMER_LISTS
};

struct consumer {
    struct slice name;
    struct slice plan; /* empty: none */
    const struct slice *lists[CONSUMER_LISTS];
    size_t list_counts[CONSUMER_LISTS];
};

struct credential {
    struct slice name, secret; /* secret: as the kind has it, often empty */
    double expires;            /* seconds since the epoch; 0: never */
    int consumer;
};

struct consumers *consumers_create(void);
void consumers_destroy(struct consumers **consumers);

/* The number by which it is asked for from now on, above 0. CONSUMERS_MISSING when the name is
 * taken, or there is no room: CONSUMERS_MAX, or 16 GiB. What is given is copied. */
int consumers_add(struct consumers *consumers, const struct consumer *consumer);
/* False when that name is another credential's, is empty, or there is no room. */
bool consumers_add_credential(struct consumers *consumers, const struct credential *credential);

/* Puts them in the order of their names, for consumers_after(); when all have been added. */
void consumers_sort(struct consumers *consumers);
/* Moves them to where they are read best; when all have been added. */
void consumers_pack(struct consumers *consumers);

/* The texts below are good until something is added. */

/* CONSUMERS_MISSING when there is none. */
int consumers_by_name(const struct consumers *consumers, struct slice name);
/* False when there is none, or it has expired by `now`. */
bool consumers_credential(const struct consumers *consumers, struct slice name, double now,
                          struct credential *credential);
uint32_t consumers_count(const struct consumers *consumers);
/* The first one in the order of names, byte by byte, whose name is behind that one;
 * CONSUMERS_MISSING behind the last one, and where they were not sorted. */
int consumers_after(const struct consumers *consumers, struct slice name);

/* Of a consumer that consumers_add() or a look-up has returned. */
struct slice consumers_name(const struct consumers *consumers, int consumer);
struct slice consumers_plan(const struct consumers *consumers, int consumer);
/* The text of a list at `*at`, which is 0 for the first, and goes to the next; false: none left. */
bool consumers_next(const struct consumers *consumers, int consumer, enum consumer_list list,
                    uint32_t *at, struct slice *text);
