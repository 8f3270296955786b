/*
 * digester — SHA-256, with what OpenSSL needs for it found once: looking that up takes longer than
 * digesting a key.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

#define DIGESTER_BYTES 32

struct digester;

/* For one thread at a time. */
struct digester *digester_create(void);
void digester_destroy(struct digester **digester);
/* DIGESTER_BYTES into `digest`. False only where the library refuses. */
bool digester_sha256(struct digester *digester, struct slice bytes, char *digest);
