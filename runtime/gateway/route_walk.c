/*
 * route_walk — depth first, with the forks not taken on a stack.
 */
#include "gateway/route_walk.h"

#include <assert.h>

void route_walk_start(struct route_walk *walk, const struct path_trie *trie, struct slice host,
                      struct slice path)
{
    walk->trie = trie;
    walk->host = host;
    walk->path = path;
    walk->stage = path.length > 0 && path.length < UINT32_MAX && path.start[0] == '/'
                      ? WALK_EXACT_HOST
                      : WALK_DONE;
    walk->host_at = 0;
    walk->segment_count = walk->fork_count = walk->left = walk->capture_count = 0;
    /* "example.com." is the same name, spelled out to the root. */
    if (host.length > 1 && host.start[host.length - 1] == '.')
        walk->host.length--;
    if (walk->host.length > ROUTE_WALK_HOST_BYTES_MAX)
        walk->host = SLICE_NONE;
}

/* Whether the path has a segment of that number; segments are split off as deep as somebody asks.
 */
static bool has_segment(struct route_walk *walk, unsigned depth)
{
    if (depth < walk->segment_count)
        return true;
    assert(depth == walk->segment_count && depth <= PATH_TRIE_SEGMENTS_MAX);
    size_t start = depth == 0 ? 1 : (size_t)walk->ends[depth - 1] + 1;
    if (start > walk->path.length)
        return false;
    walk->starts[depth] = (uint32_t)start;
    walk->ends[depth] = (uint32_t)(start + slice_find(slice_after(walk->path, start), '/'));
    walk->segment_count++;
    return true;
}

static struct slice segment_of(const struct route_walk *walk, unsigned depth)
{
    return slice_of(walk->path.start + walk->starts[depth],
                    walk->ends[depth] - walk->starts[depth]);
}

static void leave_fork(struct route_walk *walk, uint32_t node, unsigned depth, bool is_rest)
{
    assert(walk->fork_count < 2 * PATH_TRIE_SEGMENTS_MAX);
    walk->forks[walk->fork_count++] =
        (struct route_walk_fork){node, (uint16_t)depth, (uint8_t)walk->capture_count, is_rest};
}

/* From the node before segment `depth` down its literals. True when routes end where it ends. */
static bool descend(struct route_walk *walk, uint32_t id, unsigned depth)
{
    while (id != PATH_TRIE_NONE) {
        const struct path_trie_node *node = path_trie_node(walk->trie, id);
        if (!has_segment(walk, depth)) {
            walk->next = path_trie_entries(node);
            walk->left = node->entry_count;
            return walk->left > 0;
        }
        struct slice segment = segment_of(walk, depth);
        if (node->rest != PATH_TRIE_NONE)
            leave_fork(walk, node->rest, depth, true);
        if (node->param != PATH_TRIE_NONE && segment.length > 0)
            leave_fork(walk, node->param, depth, false);
        id = path_trie_child(walk->trie, id, segment);
        depth++;
    }
    return false;
}

static bool take_fork(struct route_walk *walk)
{
    const struct route_walk_fork *fork = &walk->forks[--walk->fork_count];
    unsigned depth = fork->depth;
    assert(fork->capture_count < ROUTE_MATCHER_CAPTURES_MAX);

    struct path_capture *capture = &walk->captures[fork->capture_count];
    walk->capture_count = fork->capture_count + 1u;
    if (!fork->is_rest) {
        capture->value = segment_of(walk, depth);
        return descend(walk, fork->node, depth + 1);
    }
    const struct path_trie_node *node = path_trie_node(walk->trie, fork->node);
    capture->value = slice_after(walk->path, walk->starts[depth]);
    walk->next = path_trie_entries(node);
    walk->left = node->entry_count;
    return walk->left > 0;
}

/* The longest wildcard host not tried yet: "*.example.com" needs at least one byte before the dot.
 */
static uint32_t next_wildcard(struct route_walk *walk)
{
    while (walk->host_at < walk->host.length) {
        struct slice rest = slice_after(walk->host, walk->host_at);
        size_t dot = slice_find(rest, '.');
        if (dot == rest.length)
            break;
        bool is_first = walk->host_at + dot == 0;
        walk->host_at += dot + 1;
        struct slice name = slice_after(walk->host, walk->host_at);
        if (is_first || name.length > walk->trie->wildcard_bytes_max)
            continue;
        uint32_t node = path_trie_find(walk->trie, PATH_TRIE_WILDCARD_HOSTS, name);
        if (node != PATH_TRIE_NONE)
            return node;
    }
    return PATH_TRIE_NONE;
}

/* The root of the next host's tree that matches, or PATH_TRIE_NONE when there is none left. */
static uint32_t next_host(struct route_walk *walk)
{
    uint32_t node = PATH_TRIE_NONE;
    if (walk->stage == WALK_EXACT_HOST) {
        walk->stage = walk->trie->wildcard_bytes_max > 0 ? WALK_WILDCARD_HOSTS : WALK_ANY_HOST;
        if (walk->trie->has_exact_hosts && walk->host.length > 0)
            node = path_trie_find(walk->trie, PATH_TRIE_EXACT_HOSTS, walk->host);
    }
    if (node == PATH_TRIE_NONE && walk->stage == WALK_WILDCARD_HOSTS) {
        node = next_wildcard(walk);
        if (node == PATH_TRIE_NONE)
            walk->stage = WALK_ANY_HOST;
    }
    if (node == PATH_TRIE_NONE && walk->stage == WALK_ANY_HOST) {
        walk->stage = WALK_DONE;
        node = walk->trie->any_host;
    }
    return node;
}

const struct path_trie_entry *route_walk_next_node(struct route_walk *walk)
{
    bool is_end = false;
    while (!is_end) {
        if (walk->fork_count > 0) {
            is_end = take_fork(walk);
            continue;
        }
        uint32_t host = next_host(walk);
        if (host == PATH_TRIE_NONE)
            return NULL;
        walk->capture_count = 0;
        is_end = descend(walk, host, 0);
    }
    walk->left--;
    return walk->next++;
}

bool route_walk_covers(const struct path_trie *trie, uint32_t node, struct slice host)
{
    struct route_walk walk;
    uint32_t root = node, found;

    while (path_trie_node(trie, root)->parent >= PATH_TRIE_FIRST)
        root = path_trie_node(trie, root)->parent;
    route_walk_start(&walk, trie, host, SLICE("/"));
    do {
        found = next_host(&walk);
    } while (found != PATH_TRIE_NONE && found != root);
    return found == root;
}
