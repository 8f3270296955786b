/*
 * generation_private — what a generation consists of, for the files of bridge/ alone.
 */
#pragma once

#include "base/mem.h"
#include "bridge/accounts.h"
#include "bridge/consumers.h"
#include "bridge/generation.h"
#include "bridge/key_ring.h"
#include "bridge/sinks_open.h"
#include "bridge/task.h"
#include "gateway/route_matcher.h"
#include "net/background.h"
#include "net/resolver.h"
#include "store/store.h"

#define GENERATION_ROUTES_MAX   1000000
#define GENERATION_CLUSTERS_MAX 100000
/* Index of a route's cluster when an endpoint plugin answers. */
#define GENERATION_NO_CLUSTER UINT32_MAX

struct edits;
struct tally;

/* What C runs of a chain by itself, once Lua has told it. */
struct generation_native {
    struct tally *tally;       /* the log phase: tally.c; NULL: nothing is counted yet */
    const struct edits *edits; /* the response phase: edits.c; NULL: Lua runs it */
};

/* Two lines of the cache, of which most requests touch the first. */
struct generation_route {
    uint32_t cluster; /* index among the clusters, or GENERATION_NO_CLUSTER */
    uint32_t capture_count;
    struct route route;
    const struct slice *captures; /* names of what its path captures, in their order */
    struct accounts_share share;
    struct generation_native native;
};
_Static_assert(sizeof(struct generation_route) % MEM_LINE_BYTES == 0 &&
                   offsetof(struct generation_route, route.name) <= MEM_LINE_BYTES,
               "what each request needs is in one line");

struct generation_cluster {
    struct cluster_options options;
    struct cluster *cluster; /* acquired when the generation starts; NULL before */
    bool is_outdated;        /* runs with an earlier generation's options */
};

/* Clusters by name: a power of two of places, at most half of them taken. */
struct generation_cluster_index {
    uint32_t *places;
    uint32_t count;
};

/* Functions of lua/moongate/dispatch.lua. */
enum generation_function {
    GENERATION_REQUEST,  /* (slot, route) -> enum generation_verdict */
    GENERATION_CHOOSE,   /* (slot, -1): the same, where a route's `when` has to be asked first */
    GENERATION_WEIGH,    /* (slot, route): the same, where its `criticality` is asked first */
    GENERATION_RESPONSE, /* (slot, route) */
    GENERATION_CHUNK,    /* (slot, route, bytes, last) -> bytes */
    GENERATION_LOG,      /* (slot, route) */
    GENERATION_CULPRIT,  /* (slot, route) -> name of the plugin that ran; bars its step from the
                            response phase */
    GENERATION_START,    /* () */
    GENERATION_STOP,     /* () */
    GENERATION_FUNCTION_COUNT
};

/* What a function of the dispatcher says. */
enum generation_verdict { GENERATION_GO_ON, GENERATION_ANSWER, GENERATION_SHED };

struct draft;

struct generation {
    unsigned references;
    lua_State *vm;
    struct tasks tasks;
    struct arena arena;              /* what routes, clusters and consumers consist of */
    const struct services *services; /* NULL until it is started */
    struct generations *generations; /* the services' */
    struct list node;                /* of theirs */
    uint64_t number;
    double build_cpu_seconds;
    struct plan plan;
    struct gateway_options gateway_options;
    struct resolver_options resolver_options;
    struct store_options store_options; /* path NULL: none is wanted */
    struct store *store;                /* from its start on */
    struct listen_options *listeners;   /* plan.listener_count of them */
    struct route_matcher *matcher, *admin_matcher;
    struct generation_route *routes; /* a mem_table() once it is built */
    struct generation_cluster *clusters;
    uint32_t route_count, cluster_count;
    uint32_t prepared_count; /* of the clusters, from the first: acquired */
    struct generation_cluster_index cluster_index;
    struct cluster **fetch_clusters; /* of hosts that plugins fetched: fetch_target.c */
    uint32_t fetch_count, idle_fetch_count;
    struct tls_context *fetch_tls;
    struct fetch_wait *idle_fetches; /* fetch_library.c */
    struct consumers *consumers;
    struct accounts accounts;
    struct generation_native use_native;   /* of exchanges without a route */
    const struct gather_answer **gathered; /* by index of the route; NULL: there are none yet */
    struct sinks_open sinks;               /* that plugins opened */
    struct key_ring keys;                  /* that plugins verify signatures with */
    struct bundle *kept; /* what it was read from, for /config; NULL: no admin listener */
    struct config_text *config_text; /* that is being made; NULL: none */
    unsigned use_phases;             /* of the plugins of `use`, for answers without a route */
    int functions[GENERATION_FUNCTION_COUNT]; /* registry references */
    int states;                               /* registry reference: what Lua keeps, by slot + 1 */
    /* All NULL once built. */
    struct draft *draft;
    struct bundle *bundle; /* borrowed */
    struct buffer *shown;  /* where what /config shows goes; NULL: nobody has asked */
    struct shared *shared; /* where plugins have numbers, from the first: services come later */
    struct inventory *inventory; /* borrowed; NULL: nobody wants one */

    ev_timer timer;              /* while it starts, and after it was current */
    generation_started *started; /* NULL: nobody waits for it */
    void *started_data;
    struct task *start; /* that runs start() of its plugins; NULL: it does not wait */
    bool is_started;    /* start() has been called: stop() will be */
    bool is_current;
    double retired_at;   /* loop_monotonic(), once it is not current any more; 0 before */
    bool is_crowded_out; /* too many are not current, and this one is among the oldest */
    uint32_t inherited;  /* slots of exchanges that have been looked at */
    struct background_job freeing;
};

/* Empty, with a state of its own, to be built into. */
struct generation *generation_begin(const char *lua_root, const char *plugin_root,
                                    struct bundle *bundle);
/* Frees all but the struct itself, of one without tasks and clusters; in whatever thread. */
void generation_clear(struct generation *generation);
/* Pushes that function of the dispatcher onto the main stack. */
void generation_push_function(struct generation *generation, enum generation_function which);
/* The text of what a coroutine raised with, with its traceback; on the main stack, which the caller
 * pops by one. */
struct slice generation_push_traceback(struct generation *generation, lua_State *thread);
