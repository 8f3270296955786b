/*
 * validation — asking the upstream whether a stored answer still holds, and what follows
 * (RFC 9111, 4.3).
 */
#pragma once

#include "cache/stored_head.h"

/*
 * Makes the request for the upstream out of the client's: `fields` are those it will be sent with.
 * Takes off If-None-Match, If-Modified-Since, If-Range and Range, since the answer is for the cache
 * and the client's own conditions are answered from it, then adds the stored answer's. `stored`
 * NULL: a request that fills the cache. If-Match and If-Unmodified-Since stay: who has one is not
 * sent this way (asked->is_origins).
 */
void validation_prepare(struct headers *fields, const struct stored_head *stored,
                        struct arena *arena);

enum validation {
    VALIDATION_CONFIRMED, /* 304 for the stored answer: freshen it and answer with it */
    VALIDATION_REPLACED,  /* a full answer, to be stored or not on its own */
    VALIDATION_FAILED,    /* 5xx: see reuse_on_failure() */
    VALIDATION_FOREIGN    /* a 304 for something else: forget the stored one and ask again */
};
enum validation validation_of(const struct stored_head *stored, const struct response *response);

/*
 * The response that a 304 makes of a stored one: the fields of the 304 replace those of the same
 * name, but Content-Length, Content-Encoding, Content-Range, Content-Type (where the body could not
 * be read otherwise), Content-MD5, ETag and the connection's own stay as they were (RFC 9111, 3.2).
 * Then storability_of() and stored_head_write() as for a new one. In the arena.
 */
void validation_freshen(const struct stored_head *stored, const struct response *not_modified,
                        struct response *freshened, struct arena *arena);

/*
 * After a HEAD of what is stored for GET (RFC 9111, 4.3.5): whether its answer tells that the
 * stored one, of `bytes` bytes, still is what it was, so that validation_freshen() may take its
 * fields too; false: the stored one is stale from now on.
 */
bool validation_agrees(const struct stored_head *stored, uint64_t bytes,
                       const struct response *head);
