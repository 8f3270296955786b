/*
 * route_walk — visits what stands in a path_trie for one host and path, most specific first.
 *
 * Each node is visited at most once, so a walk is bounded by the patterns that the operator wrote,
 * whatever the client sends. Allocates nothing; lives on the stack of one match.
 */
#pragma once

#include "gateway/path_trie.h"
#include "gateway/route_matcher.h"

/* Longer names are no DNS names (RFC 1035, 2.3.4): only routes for any host match them. */
#define ROUTE_WALK_HOST_BYTES_MAX 255

/* A way not taken yet: at most two are left behind at each segment. */
struct route_walk_fork {
    uint32_t node;
    uint16_t depth;
    uint8_t capture_count;
    bool is_rest;
};

struct route_walk {
    const struct path_trie *trie;
    struct slice host, path;
    enum { WALK_EXACT_HOST, WALK_WILDCARD_HOSTS, WALK_ANY_HOST, WALK_DONE } stage;
    size_t host_at;         /* where the next wildcard's label may begin */
    unsigned segment_count; /* split so far */
    uint32_t starts[PATH_TRIE_SEGMENTS_MAX + 1];
    uint32_t ends[PATH_TRIE_SEGMENTS_MAX + 1];
    unsigned fork_count;
    struct route_walk_fork forks[2 * PATH_TRIE_SEGMENTS_MAX];
    const struct path_trie_entry *next; /* of the node reached */
    unsigned left;
    unsigned capture_count; /* of the entry given last */
    struct path_capture captures[ROUTE_MATCHER_CAPTURES_MAX];
};

/* Both slices are borrowed while the walk goes on. */
void route_walk_start(struct route_walk *walk, const struct path_trie *trie, struct slice host,
                      struct slice path);
const struct path_trie_entry *route_walk_next_node(struct route_walk *walk);

/* Whether the host above a node covers that name. */
bool route_walk_covers(const struct path_trie *trie, uint32_t node, struct slice host);

/* The next entry, or NULL: then it may not be asked again. */
static inline const struct path_trie_entry *route_walk_next(struct route_walk *walk)
{
    if (walk->left == 0)
        return route_walk_next_node(walk);
    walk->left--;
    return walk->next++;
}
