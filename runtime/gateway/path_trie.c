/*
 * path_trie — finding children by their text.
 */
#include "gateway/path_trie.h"

#include <stdlib.h>

static uint64_t read_word(const char *start)
{
    uint64_t word;
    memcpy(&word, start, sizeof(word));
    return word;
}

/* Up to seven bytes as a number; which bytes land where does not matter, that all of them do. */
static uint64_t read_tail(const char *start, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)start;
    uint32_t low, high;

    if (length == 0)
        return 0;
    if (length < 4)
        return (uint64_t)bytes[0] << 16 | (uint64_t)bytes[length / 2] << 8 | bytes[length - 1];
    memcpy(&low, start, sizeof(low));
    memcpy(&high, start + length - sizeof(high), sizeof(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9fb21c651e98df25u;
    return hash ^ (hash >> 29);
}

/* Not keyed: what stands in the table comes from the operator, clients only choose what is looked
 * up. */
uint64_t path_trie_label_hash(struct slice label)
{
    uint64_t hash = label.length * 0x2545f4914f6cdd1du;
    while (label.length >= 8) {
        hash = mix(hash, read_word(label.start));
        label = slice_after(label, 8);
    }
    return mix(hash, read_tail(label.start, label.length));
}

static bool is_child(const struct path_trie *trie, uint32_t id, uint32_t parent, struct slice label)
{
    const struct path_trie_node *node = path_trie_node(trie, id);
    return node->parent == parent && slice_equals(path_trie_label(node), label);
}

uint32_t path_trie_find(const struct path_trie *trie, uint32_t parent, struct slice label)
{
    uint32_t hash = path_trie_slot_hash(parent, path_trie_label_hash(label));
    for (uint32_t at = hash & trie->slot_mask;; at = (at + 1) & trie->slot_mask) {
        const struct path_trie_slot *slot = &trie->slots[at];
        if (slot->node == PATH_TRIE_NONE)
            return PATH_TRIE_NONE;
        if (slot->hash == hash && is_child(trie, slot->node, parent, label))
            return slot->node;
    }
}

uint32_t path_trie_child(const struct path_trie *trie, uint32_t parent, struct slice label)
{
    uint32_t literal = path_trie_node(trie, parent)->literal;
    if (literal == PATH_TRIE_MANY)
        return path_trie_find(trie, parent, label);
    if (literal != PATH_TRIE_NONE && is_child(trie, literal, parent, label))
        return literal;
    return PATH_TRIE_NONE;
}

void path_trie_clear(struct path_trie *trie)
{
    free(trie->block);
    *trie = (struct path_trie){0};
}
