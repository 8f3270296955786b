/*
 * cold — what hardly ever runs, out of the way of what each request runs through.
 *
 * The code of one request is larger than the processor's first cache, and the kernel's takes its
 * place at each system call. So what reports, refuses or fails is compiled apart from it: the
 * compiler takes a branch that leads to a cold function for one that is not taken, and moves it
 * there, too.
 */
#pragma once

#include <assert.h>

#define COLD __attribute__((cold))

/* Long and seldom needed, but not cold: at least not a part of its caller. */
#define OUT_OF_LINE __attribute__((noinline))

/* A condition that hardly ever holds, where what follows is not a call of something cold. */
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* glibc has not said so yet. */
#if defined(__GLIBC__) && !defined(NDEBUG)
/* NOLINTNEXTLINE(readability-redundant-declaration): it adds the attribute */
extern void __assert_fail(const char *assertion, const char *file, unsigned line,
                          const char *function) COLD;
#endif
