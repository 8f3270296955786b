/*
 * path_trie — hosts and the path patterns below them as one tree, sealed into one block of memory.
 *
 * A node is a host, or one segment of a pattern below its parent. Hosts and segments with siblings
 * stand in one open-addressing table by parent and text, so a step down costs the same however many
 * there are; an only child hangs from its parent. Nodes stand mostly in the order in which they
 * were made, so the end of a pattern follows its beginning, and what a route asks of a request
 * stands right behind its last node; one that fits into a line of the cache does not lie across
 * two. Read-only: path_trie_builder makes it.
 */
#pragma once

#include "base/slice.h"

/* Of one pattern; deeper requests can match only a {rest*}. */
#define PATH_TRIE_SEGMENTS_MAX 64
/* Routes with the same host and path: they are tried one by one. */
#define PATH_TRIE_ENTRIES_MAX     1024
#define PATH_TRIE_LABEL_BYTES_MAX 65535

/* Ids below PATH_TRIE_FIRST are not nodes: no node, and the parents of the three kinds of host. */
enum {
    PATH_TRIE_NONE,
    PATH_TRIE_EXACT_HOSTS,
    PATH_TRIE_WILDCARD_HOSTS, /* the label lacks the "*." */
    PATH_TRIE_ANY_HOST,
    PATH_TRIE_FIRST,
    PATH_TRIE_MANY = PATH_TRIE_EXACT_HOSTS /* of node.literal: look into the table */
};

/* What one route asks for beyond host and path. */
struct path_trie_entry {
    uint64_t methods; /* bits that route_matcher gives out; 0: any */
    uint32_t route;
    int32_t priority;
    uint32_t conditions; /* the first one, in route_conditions */
    uint16_t condition_count;
    bool has_when;
};

struct path_trie_node {
    uint32_t parent;
    uint32_t param, rest; /* children without a text, or PATH_TRIE_NONE */
    uint32_t literal;     /* the only child with a text, PATH_TRIE_NONE, or PATH_TRIE_MANY */
    uint16_t label_length, entry_count;
    char label[]; /* then, at the next multiple of 8, the entries: most specific first */
};

struct path_trie_slot {
    uint32_t hash, node; /* free: PATH_TRIE_NONE */
};

/* Where a route ends: one per host. */
struct path_trie_end {
    uint32_t route, node;
};

struct path_trie {
    void *block;
    size_t bytes;
    const struct path_trie_slot *slots;
    uint32_t slot_mask;
    const uint64_t *words;            /* an id is the offset of its node in these */
    const struct path_trie_end *ends; /* by route */
    size_t end_count;
    uint32_t any_host; /* the root of routes for any host, or PATH_TRIE_NONE */
    bool has_exact_hosts;
    size_t wildcard_bytes_max; /* of the longest wildcard host's label; 0: there are none */
};

static inline const struct path_trie_node *path_trie_node(const struct path_trie *trie, uint32_t id)
{
    return (const struct path_trie_node *)(const void *)(trie->words + id);
}

static inline struct slice path_trie_label(const struct path_trie_node *node)
{
    return slice_of(node->label, node->label_length);
}

/* Bytes from a node to its entries. */
static inline size_t path_trie_entries_offset(size_t label_length)
{
    return (sizeof(struct path_trie_node) + label_length + 7) & ~(size_t)7;
}

static inline const struct path_trie_entry *path_trie_entries(const struct path_trie_node *node)
{
    const char *start = (const char *)node + path_trie_entries_offset(node->label_length);
    return (const struct path_trie_entry *)(const void *)start;
}

uint64_t path_trie_label_hash(struct slice label);

/* The hash of a label below a parent. */
static inline uint32_t path_trie_slot_hash(uint32_t parent, uint64_t label_hash)
{
    uint64_t mixed = (label_hash ^ (parent * 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;
    return (uint32_t)(mixed >> 32);
}

/* The child of a node with that text, or PATH_TRIE_NONE. */
uint32_t path_trie_child(const struct path_trie *trie, uint32_t parent, struct slice label);
/* The same by the table alone: all hosts stand there, below PATH_TRIE_EXACT_HOSTS and its like. */
uint32_t path_trie_find(const struct path_trie *trie, uint32_t parent, struct slice label);
void path_trie_clear(struct path_trie *trie);
