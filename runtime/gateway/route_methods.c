/*
 * route_methods — giving out bits, and writing sets down.
 */
#include "gateway/route_methods.h"

#include <assert.h>

#include "base/mem.h"

void route_methods_clear(struct route_methods *methods)
{
    for (unsigned i = 0; i < methods->other_count; i++)
        free((void *)methods->others[i].start);
    *methods = (struct route_methods){0};
}

static uint64_t find_bit(const struct route_methods *methods, enum method method, struct slice name)
{
    if (method != METHOD_OTHER)
        return ROUTE_METHODS_BIT(method);
    for (unsigned i = 0; i < methods->other_count; i++) {
        if (slice_equals(methods->others[i], name))
            return ROUTE_METHODS_BIT(METHOD_COUNT + i);
    }
    return 0;
}

uint64_t route_methods_bit(const struct route_methods *methods, const struct request *request)
{
    return find_bit(methods, request->method, request->method_name);
}

uint64_t route_methods_add(struct route_methods *methods, struct slice name)
{
    uint64_t bit = find_bit(methods, method_of(name), name);
    if (bit != 0)
        return bit;
    assert(name.length > 0 && methods->other_count < ROUTE_MATCHER_OTHER_METHODS_MAX);
    char *copy = mem_alloc(name.length);
    memcpy(copy, name.start, name.length);
    methods->others[methods->other_count] = slice_of(copy, name.length);
    return ROUTE_METHODS_BIT(METHOD_COUNT + methods->other_count++);
}

static struct slice name_of(const struct route_methods *methods, unsigned bit)
{
    if (bit < METHOD_COUNT)
        return method_name_of((enum method)bit);
    return methods->others[bit - METHOD_COUNT];
}

static size_t append(char *text, size_t at, struct slice name)
{
    if (at > 0) {
        text[at++] = ',';
        text[at++] = ' ';
    }
    memcpy(text + at, name.start, name.length);
    return at + name.length;
}

struct slice route_methods_list(const struct route_methods *methods, uint64_t set,
                                struct arena *arena)
{
    size_t bytes = 0, at = 0;
    unsigned bits = METHOD_COUNT + methods->other_count;
    for (unsigned bit = METHOD_GET; bit < bits; bit++)
        bytes += name_of(methods, bit).length + 2;

    if ((set & ROUTE_METHODS_BIT(METHOD_GET)) != 0)
        set |= ROUTE_METHODS_BIT(METHOD_HEAD);
    char *text = arena_alloc(arena, bytes);
    for (unsigned bit = METHOD_GET; bit < bits; bit++) {
        if ((set & ROUTE_METHODS_BIT(bit)) != 0)
            at = append(text, at, name_of(methods, bit));
    }
    return slice_of(text, at);
}

size_t route_methods_bytes(const struct route_methods *methods)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < methods->other_count; i++)
        bytes += methods->others[i].length;
    return bytes;
}
