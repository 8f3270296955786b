/*
 * consumers — all consumers of a generation, found by key or by name.
 *
 * Built once, read-only afterwards, outside of the Lua heap: a hundred thousand of them cost the
 * collector nothing. Keys are found by a keyed hash and then compared in constant time.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

#define CONSUMERS_MAX     (1u << 24)
#define CONSUMERS_MISSING (-1)

struct consumers;

struct consumer {
    struct slice name;
    const struct slice *groups;
    const struct slice *tags; /* name and value in turn */
    uint32_t group_count, tag_count;
};

/* Everything added is copied into the arena, which must outlive it. */
struct consumers *consumers_create(struct arena *arena);
void consumers_destroy(struct consumers **consumers);

/* CONSUMERS_MISSING when the name is taken. */
int consumers_add(struct consumers *consumers, const struct consumer *consumer);
/* False when another consumer has that key; empty keys are refused too. */
bool consumers_add_key(struct consumers *consumers, int consumer, struct slice key);

/* Index, or CONSUMERS_MISSING. */
int consumers_by_key(const struct consumers *consumers, struct slice key);
int consumers_by_name(const struct consumers *consumers, struct slice name);
/* NULL beyond the last one. */
const struct consumer *consumers_at(const struct consumers *consumers, int index);
uint32_t consumers_count(const struct consumers *consumers);
