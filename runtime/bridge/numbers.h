/*
 * numbers — what exports make of Lua's doubles, and where they find what a generation serves with.
 */
#pragma once

#include <assert.h>
#include <stdint.h>

#include "bridge/generation_private.h"
#include "net/loop.h"

#define NANOSECONDS 1e9
/* Doubles hold integers exactly up to here. */
#define EXACT_MAX 9007199254740992.0
/* 2^62, 146 years: with the time of day it is still a time. */
#define NANOSECONDS_MAX 4611686018427387904.0

static inline struct shared *shared_of(const struct generation *generation)
{
    assert(generation->services != NULL);
    return generation->services->shared;
}

static inline uint64_t now_ns(const struct generation *generation)
{
    return (uint64_t)(loop_now(generation->services->loop) * NANOSECONDS);
}

/* What a double says in whole units: nothing below 0, nothing that is no number. */
static inline uint64_t whole(double number)
{
    return number > 0 ? (uint64_t)(number < EXACT_MAX ? number : EXACT_MAX) : 0;
}

/* The same below 0, too. */
static inline int64_t whole_signed(double number)
{
    return number < 0 ? -(int64_t)whole(-number) : (int64_t)whole(number);
}

static inline uint64_t nanoseconds(double seconds)
{
    double all = seconds * NANOSECONDS;
    return all > 0 ? (uint64_t)(all < NANOSECONDS_MAX ? all : NANOSECONDS_MAX) : 0;
}
