/*
 * route_methods — sets of methods as 64 bits: those of enum method, then the others that some route
 * names.
 */
#pragma once

#include "gateway/route_matcher.h"

struct route_methods {
    struct slice others[ROUTE_MATCHER_OTHER_METHODS_MAX]; /* on the heap */
    unsigned other_count;
};

void route_methods_clear(struct route_methods *methods);
/* The bit of that method, which is new or known. */
uint64_t route_methods_add(struct route_methods *methods, struct slice name);
/* 0 for a method that no route names. */
uint64_t route_methods_bit(const struct route_methods *methods, const struct request *request);
/* Names in the order of the bits, as the Allow field lists them (RFC 9110, 10.2.1): HEAD comes with
 * GET. */
struct slice route_methods_list(const struct route_methods *methods, uint64_t set,
                                struct arena *arena);
size_t route_methods_bytes(const struct route_methods *methods);

#define ROUTE_METHODS_BIT(method) ((uint64_t)1 << (method))

/* Whether a route with that set (empty: any method) takes the method of that bit. */
static inline bool route_methods_accept(uint64_t set, uint64_t bit)
{
    if (set == 0 || (set & bit) != 0)
        return true;
    return bit == ROUTE_METHODS_BIT(METHOD_HEAD) && (set & ROUTE_METHODS_BIT(METHOD_GET)) != 0;
}
