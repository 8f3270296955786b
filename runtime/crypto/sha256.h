/*
 * sha256 — a digest for each request: of the key that a client shows.
 */
#pragma once

#include "base/slice.h"

#define SHA256_BYTES 32

/* SHA256_BYTES into `digest` (FIPS 180-4). */
void sha256_of(struct slice bytes, char *digest);
