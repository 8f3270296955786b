/*
 * fill — one request to the upstream for the cache's sake: its answer is stored as it comes.
 *
 * Has memory of its own, and goes on when the client for which it was begun has gone, at most
 * HTTP_CACHE_BACKGROUND_MAX of a worker's and those that somebody reads along with; how long, the
 * call's timeouts and the largest size of what is stored say. The upstream is not held back by who
 * reads: what comes is stored at once, and each reads it from there at a pace of his own. Only what
 * turns out not to be for the cache passes at the pace of the client, if there still is one, and
 * what outgrows the store at that of the slowest reader.
 *
 * Whoever waits in other workers is told of its end, whatever that is, by the store.
 */
#pragma once

#include "cache/http_cache.h"
#include "cache/stored_head.h"
#include "shm/object_fill.h"
#include "upstream/call.h"

/* What the policy is part of, held from the beginning of a fill to its end. */
struct fill_keeper {
    void *thing;
    void (*hold)(void *thing);
    void (*let_go)(void *thing);
};

/*
 * Whom it tells; each may leave it. First one of on_stored, on_confirmed, on_stale, on_passed,
 * on_failed; on_informational before that.
 */
struct fill_events {
    void (*on_informational)(void *data, struct response *response);
    /* This answer is being stored: fill->object can be held, and on_progress comes when there is
     * more of it, or all. */
    void (*on_stored)(void *data, struct response *response);
    void (*on_progress)(void *data);
    /* The stored answer was confirmed, and has a new head. */
    void (*on_confirmed)(void *data);
    /* The upstream failed; the stored answer stands in for it, stale as it is. */
    void (*on_stale)(void *data);
    /* The answer is not stored: it passes, and on_data and on_end follow. */
    void (*on_passed)(void *data, struct response *response);
    void (*on_data)(void *data, struct slice bytes);
    void (*on_end)(void *data);
    void (*on_failed)(void *data, enum fault fault);
};

enum fill_step {
    FILL_ASKING,   /* no final head yet */
    FILL_WRITING,  /* into the store */
    FILL_FLOWING,  /* the store takes no more: fill_flow.h */
    FILL_PASSING,  /* to the client alone */
    FILL_DRAINING, /* nobody wants the rest of it */
    FILL_ENDED
};

struct fill {
    struct list node; /* of the cache's, until it has ended */
    struct http_cache *cache;
    struct arena arena;
    unsigned references; /* of those that look at its memory */
    enum fill_step step;
    struct fill_keeper keeper;
    struct cluster *cluster;
    struct call_options call_options;
    struct http_stream *call;  /* NULL once it has ended */
    struct call_record record; /* of it then */
    struct request *outbound;
    struct cache_request asked;
    struct object_key key;
    struct object_claim claim;
    struct object_fill object; /* what is written */
    struct object_refresh refresh;
    bool is_refresh; /* `refresh` has not ended */
    bool has_stored; /* it validates `stored` */
    bool is_foreign; /* asked once more, since a 304 was for something else */
    const char *why; /* PASSING: why its answer is not stored, a token, or NULL */
    struct stored_head stored;
    struct slice rules; /* of the marker under which it was claimed; start NULL: by key */
    double requested;
    uint64_t drained;  /* bytes */
    struct slice rest; /* FLOWING: what found no room yet, in `rest_memory` */
    char *rest_memory;
    bool has_all, is_finished;        /* ... the upstream's end came; and was told */
    const struct fill_events *events; /* NULL: in the background */
    void *data;
};

struct fill_options {
    struct http_cache *cache;
    struct cluster *cluster;
    const struct call_options *call; /* copied */
    struct fill_keeper keeper;
    const struct cache_policy *policy; /* the keeper's */
    const struct request *request;     /* the client's; copied */
    const struct request *outbound;    /* as it goes upstream; copied */
    struct cache_context context;      /* copied */
    struct object_key key;             /* copied */
    struct object_claim claim;
    struct slice rules;               /* copied */
    const struct object_fill *object; /* claimed: the fill's from now on; or NULL and */
    const struct object_refresh *refresh;
    struct slice stored; /* metadata of what is to be validated; copied; start NULL: nothing */
    const struct fill_events *events; /* NULL: none */
    void *data;
};

/* The client's reference is to be given back with fill_forget(). */
struct fill *fill_start(const struct fill_options *options);
/* Nothing is told any more; it goes on alone, or ends, as above. */
void fill_leave(struct fill *fill);
/* Likewise; what is left of an answer that passes is of no interest. */
void fill_drain(struct fill *fill);
/* Its memory is not looked at any more. */
void fill_forget(void *fill);
/* At once, whoever waits. */
void fill_break_off(struct fill *fill);
/* Whether another one may go on without a client. */
static inline bool fill_may_be_alone(const struct http_cache *cache)
{
    return cache->background_count < HTTP_CACHE_BACKGROUND_MAX;
}
