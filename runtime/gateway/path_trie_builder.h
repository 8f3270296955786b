/*
 * path_trie_builder — a path_trie while routes are added to it.
 */
#pragma once

#include "gateway/path_trie.h"

struct path_trie_builder;

struct path_trie_builder *path_trie_builder_create(void);
/* About so many entries are going to be added, at as many nodes: before the first one. */
void path_trie_builder_expect(struct path_trie_builder *builder, size_t entries);
void path_trie_builder_destroy(struct path_trie_builder **builder);

/*
 * The node where a pattern ends, PATH_TRIE_NONE when no route ends below its nodes yet. `host` is
 * lower case, "*.example.com" or "" for any; `path` is "/users/{id}", "/files/{rest*}": at most
 * PATH_TRIE_SEGMENTS_MAX segments.
 */
uint32_t path_trie_builder_find(const struct path_trie_builder *builder, struct slice host,
                                struct slice path);
/* The same, made where it is not there. */
uint32_t path_trie_builder_reach(struct path_trie_builder *builder, struct slice host,
                                 struct slice path);
/* Copied. At most PATH_TRIE_ENTRIES_MAX at a node. */
void path_trie_builder_add(struct path_trie_builder *builder, uint32_t node,
                           const struct path_trie_entry *entry);
size_t path_trie_builder_count(const struct path_trie_builder *builder, uint32_t node);
/* Walks over a node's entries: start with *at = 0; NULL at the end. */
const struct path_trie_entry *path_trie_builder_next(const struct path_trie_builder *builder,
                                                     uint32_t node, uint32_t *at);

/* Negative when `one` is tried before `other`, both at the same node. */
typedef int path_trie_order(const struct path_trie_entry *one, const struct path_trie_entry *other,
                            const void *data);
/* Packs everything into `trie`, which owns its block. */
void path_trie_builder_seal(struct path_trie_builder *builder, struct path_trie *trie,
                            path_trie_order *order, const void *data);
