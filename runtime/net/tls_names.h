/*
 * tls_names — from the name a client asks for (SNI) to the certificate that is for it.
 *
 * Built once, then only read: a sorted array, so that a look-up among thousands of names
 * costs a dozen comparisons and nothing depends on the order they came in.
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

/* Longest DNS name in text (RFC 1035, 2.3.4). */
#define TLS_NAME_BYTES_MAX 253

struct tls_name {
    char *name; /* lower case; may begin with "*." */
    size_t certificate;
};

struct tls_names {
    struct tls_name *names;
    size_t count, capacity;
};

/*
 * Any case. What no client can ask for is ignored: the empty name, a longer one than DNS has, one
 * with NUL or with `*` anywhere but as the whole first label.
 */
void tls_names_add(struct tls_names *names, struct slice name, size_t certificate);
/* After the last add, before the first find. Of equal names, the lowest certificate wins. */
void tls_names_sort(struct tls_names *names);
/* The exact name, else `*` for its first label (RFC 9525, 6.3). False when there is none. */
bool tls_names_find(const struct tls_names *names, struct slice name, size_t *certificate);
void tls_names_clear(struct tls_names *names);
