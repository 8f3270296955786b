/*
 * cached_tee — the answer to a POST that is one to GET as well (RFC 9110, 9.3.3), stored as it
 * passes.
 */
#pragma once

#include "cache/cached_call_state.h"

/* Its head has come, after what the request made invalid has gone. */
void cached_tee_begin(struct cached_call *call, const struct response *response);
void cached_tee_data(struct cached_call *call, struct slice bytes);
void cached_tee_end(struct cached_call *call);
/* It is not complete. Harmless when there is none. */
void cached_tee_drop(struct cached_call *call);
