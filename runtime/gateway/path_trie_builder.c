/*
 * path_trie_builder — nodes and entries in growing arrays, until they are packed.
 */
#include "gateway/path_trie_builder.h"

#include <assert.h>

#include "base/mem.h"
#include "base/yielding.h"

#define LINE_WORDS (MEM_LINE_BYTES / sizeof(uint64_t))
#define SLOTS_MIN  ((size_t)64)

struct build_node {
    uint32_t parent, param, rest;
    uint32_t first_entry, entry_count; /* first_entry: 0 when there is none */
    uint32_t label, label_length;      /* in `text` */
    uint32_t packed;                   /* its id in the sealed trie */
    uint32_t literal, literal_count;   /* the newest child with a text */
};

struct build_entry {
    struct path_trie_entry entry;
    uint32_t next; /* of the same node */
};

struct path_trie_builder {
    struct build_node
        *nodes; /* ids as in the sealed trie: the first PATH_TRIE_FIRST are not nodes */
    size_t node_count, node_capacity;
    struct build_entry *entries; /* number 0 is not an entry */
    size_t entry_count, entry_capacity;
    char *text;
    size_t text_bytes, text_capacity;
    struct path_trie_slot *slots;
    size_t slot_count, slot_capacity; /* a power of two */
};

/* All of which will be written. */
static void *filled_table(size_t bytes)
{
    return mem_populate(mem_table(bytes), bytes);
}

/* Room for that many; the first ones, which are none, are zero. */
static void make_room(struct path_trie_builder *builder, size_t nodes, size_t entries)
{
    builder->node_count = PATH_TRIE_FIRST;
    builder->node_capacity = PATH_TRIE_FIRST + nodes;
    builder->nodes = filled_table(builder->node_capacity * sizeof(*builder->nodes));
    memset(builder->nodes, 0, PATH_TRIE_FIRST * sizeof(*builder->nodes));
    builder->entry_count = 1;
    builder->entry_capacity = 1 + entries;
    builder->entries = filled_table(builder->entry_capacity * sizeof(*builder->entries));
    memset(builder->entries, 0, sizeof(*builder->entries));
    builder->slot_capacity = SLOTS_MIN;
    while (builder->slot_capacity < 2 * nodes)
        builder->slot_capacity *= 2;
    builder->slots = mem_zeroed_array(builder->slot_capacity, sizeof(*builder->slots));
}

struct path_trie_builder *path_trie_builder_create(void)
{
    struct path_trie_builder *builder = mem_zeroed(sizeof(*builder));
    make_room(builder, 0, 0);
    return builder;
}

void path_trie_builder_expect(struct path_trie_builder *builder, size_t entries)
{
    assert(builder->node_count == PATH_TRIE_FIRST);
    free(builder->nodes);
    free(builder->entries);
    free(builder->slots);
    make_room(builder, entries + entries / 8, entries);
}

void path_trie_builder_destroy(struct path_trie_builder **builder)
{
    if (*builder == NULL)
        return;
    free((*builder)->nodes);
    free((*builder)->entries);
    free((*builder)->text);
    free((*builder)->slots);
    free(*builder);
    *builder = NULL;
}

static void put_slot(struct path_trie_slot *slots, size_t capacity, struct path_trie_slot slot)
{
    size_t at = slot.hash & (capacity - 1);
    while (slots[at].node != PATH_TRIE_NONE)
        at = (at + 1) & (capacity - 1);
    slots[at] = slot;
}

static void grow_slots(struct path_trie_builder *builder)
{
    size_t capacity = builder->slot_capacity * 2;
    struct path_trie_slot *slots = mem_zeroed_array(capacity, sizeof(*slots));
    for (size_t i = 0; i < builder->slot_capacity; i++) {
        if (builder->slots[i].node != PATH_TRIE_NONE)
            put_slot(slots, capacity, builder->slots[i]);
    }
    free(builder->slots);
    builder->slots = slots;
    builder->slot_capacity = capacity;
}

static struct slice label_of(const struct path_trie_builder *builder, const struct build_node *node)
{
    if (node->label_length == 0) /* there may be no text at all yet */
        return SLICE_NONE;
    return slice_of(builder->text + node->label, node->label_length);
}

static uint32_t find_literal(const struct path_trie_builder *builder, uint32_t parent,
                             struct slice label)
{
    uint32_t hash = path_trie_slot_hash(parent, path_trie_label_hash(label));
    size_t mask = builder->slot_capacity - 1;
    for (size_t at = hash & mask; builder->slots[at].node != PATH_TRIE_NONE; at = (at + 1) & mask) {
        const struct build_node *node = &builder->nodes[builder->slots[at].node];
        if (builder->slots[at].hash == hash && node->parent == parent &&
            slice_equals(label_of(builder, node), label))
            return builder->slots[at].node;
    }
    return PATH_TRIE_NONE;
}

static uint32_t add_node(struct path_trie_builder *builder, uint32_t parent, struct slice label)
{
    assert(label.length <= PATH_TRIE_LABEL_BYTES_MAX);
    assert(builder->node_count < UINT32_MAX && builder->text_bytes < UINT32_MAX - label.length);
    if (builder->node_count == builder->node_capacity) {
        builder->node_capacity *= 2;
        builder->nodes =
            mem_resize(builder->nodes, builder->node_capacity * sizeof(*builder->nodes));
    }
    if (builder->text_capacity - builder->text_bytes < label.length) {
        builder->text_capacity = (builder->text_capacity + label.length) * 2;
        builder->text = mem_resize(builder->text, builder->text_capacity);
    }
    builder->nodes[builder->node_count] = (struct build_node){
        .parent = parent,
        .label = (uint32_t)builder->text_bytes,
        .label_length = (uint32_t)label.length,
    };
    if (label.length > 0)
        memcpy(builder->text + builder->text_bytes, label.start, label.length);
    builder->text_bytes += label.length;
    return (uint32_t)builder->node_count++;
}

static uint32_t add_literal(struct path_trie_builder *builder, uint32_t parent, struct slice label)
{
    if (builder->slot_count * 2 >= builder->slot_capacity)
        grow_slots(builder);
    uint32_t node = add_node(builder, parent, label);
    uint32_t hash = path_trie_slot_hash(parent, path_trie_label_hash(label));
    put_slot(builder->slots, builder->slot_capacity, (struct path_trie_slot){hash, node});
    builder->slot_count++;
    builder->nodes[parent].literal = node;
    builder->nodes[parent].literal_count++;
    return node;
}

/* "{name*}" and "{name}" as the pattern has them; its names and form were checked before. */
static bool is_rest(struct slice segment)
{
    return segment.length > 3 && segment.start[0] == '{' &&
           segment.start[segment.length - 2] == '*';
}

static bool is_param(struct slice segment)
{
    return segment.length > 2 && segment.start[0] == '{';
}

static uint32_t find_child(const struct path_trie_builder *builder, uint32_t parent,
                           struct slice segment)
{
    if (is_rest(segment))
        return builder->nodes[parent].rest;
    if (is_param(segment))
        return builder->nodes[parent].param;
    return find_literal(builder, parent, segment);
}

static uint32_t add_child(struct path_trie_builder *builder, uint32_t parent, struct slice segment)
{
    if (is_rest(segment)) {
        uint32_t node = add_node(builder, parent, SLICE_NONE);
        return builder->nodes[parent].rest = node;
    }
    if (is_param(segment)) {
        uint32_t node = add_node(builder, parent, SLICE_NONE);
        return builder->nodes[parent].param = node;
    }
    return add_literal(builder, parent, segment);
}

/* The parent that hosts of that kind hang from; `*label` is what they are called there. */
static uint32_t host_parent(struct slice host, struct slice *label)
{
    *label = host;
    if (host.length == 0)
        return PATH_TRIE_ANY_HOST;
    if (!slice_starts_with(host, SLICE("*.")))
        return PATH_TRIE_EXACT_HOSTS;
    *label = slice_after(host, 2);
    return PATH_TRIE_WILDCARD_HOSTS;
}

/* Takes "/segment" off the front of `*path`. */
static struct slice next_segment(struct slice *path)
{
    assert(path->start[0] == '/');
    struct slice rest = slice_after(*path, 1);
    size_t length = slice_find(rest, '/');
    *path = slice_after(rest, length);
    return slice_of(rest.start, length);
}

uint32_t path_trie_builder_find(const struct path_trie_builder *builder, struct slice host,
                                struct slice path)
{
    struct slice label;
    uint32_t parent = host_parent(host, &label);
    uint32_t node = find_literal(builder, parent, label);
    while (node != PATH_TRIE_NONE && path.length > 0)
        node = find_child(builder, node, next_segment(&path));
    return node;
}

uint32_t path_trie_builder_reach(struct path_trie_builder *builder, struct slice host,
                                 struct slice path)
{
    struct slice label;
    uint32_t parent = host_parent(host, &label);
    uint32_t node = find_literal(builder, parent, label);
    unsigned segments = 0;

    assert(path.length > 0);
    if (node == PATH_TRIE_NONE)
        node = add_literal(builder, parent, label);
    while (path.length > 0) {
        struct slice segment = next_segment(&path);
        uint32_t child = find_child(builder, node, segment);
        assert(!is_rest(segment) || path.length == 0);
        node = child != PATH_TRIE_NONE ? child : add_child(builder, node, segment);
        assert(++segments <= PATH_TRIE_SEGMENTS_MAX);
    }
    return node;
}

void path_trie_builder_add(struct path_trie_builder *builder, uint32_t node,
                           const struct path_trie_entry *entry)
{
    struct build_node *owner = &builder->nodes[node];
    assert(node >= PATH_TRIE_FIRST && owner->entry_count < PATH_TRIE_ENTRIES_MAX);
    if (builder->entry_count == builder->entry_capacity) {
        builder->entry_capacity *= 2;
        builder->entries =
            mem_resize(builder->entries, builder->entry_capacity * sizeof(*builder->entries));
    }
    builder->entries[builder->entry_count] = (struct build_entry){*entry, owner->first_entry};
    owner->first_entry = (uint32_t)builder->entry_count++;
    owner->entry_count++;
}

size_t path_trie_builder_count(const struct path_trie_builder *builder, uint32_t node)
{
    return builder->nodes[node].entry_count;
}

const struct path_trie_entry *path_trie_builder_next(const struct path_trie_builder *builder,
                                                     uint32_t node, uint32_t *at)
{
    uint32_t next = *at == 0 ? builder->nodes[node].first_entry : builder->entries[*at].next;
    if (next == 0)
        return NULL;
    *at = next;
    return &builder->entries[next].entry;
}

static size_t words_of(const struct build_node *node)
{
    return (path_trie_entries_offset(node->label_length) +
            node->entry_count * sizeof(struct path_trie_entry)) /
           sizeof(uint64_t);
}

/* Where the next node goes, in words, and what was left free before it. */
struct packing {
    size_t end;
    size_t hole, hole_words;
};

/* A place in one line of the cache for what fits into one. */
static size_t place(struct packing *packing, size_t words)
{
    size_t left = LINE_WORDS - packing->end % LINE_WORDS;

    if (words <= packing->hole_words) {
        packing->hole += words;
        packing->hole_words -= words;
        return packing->hole - words;
    }
    if (words > left && words <= LINE_WORDS) {
        if (left > packing->hole_words) {
            packing->hole = packing->end;
            packing->hole_words = left;
        }
        packing->end += left;
    }
    packing->end += words;
    return packing->end - words;
}

/* Gives every node its place; the words that all of them take. */
static size_t place_nodes(struct path_trie_builder *builder)
{
    struct packing packing = {.end = PATH_TRIE_FIRST};
    for (size_t i = PATH_TRIE_FIRST; i < builder->node_count; i++) {
        struct build_node *node = &builder->nodes[i];
        size_t at = place(&packing, words_of(node));
        assert(at <= UINT32_MAX);
        node->packed = (uint32_t)at;
    }
    for (uint32_t i = 0; i < PATH_TRIE_FIRST; i++)
        builder->nodes[i].packed = i;
    return packing.end;
}

struct order_context {
    path_trie_order *order;
    const void *data;
};

static int compare_entries(const void *one, const void *other, void *data)
{
    const struct order_context *context = data;
    return context->order(one, other, context->data);
}

static void pack_entries(const struct path_trie_builder *builder, const struct build_node *node,
                         struct path_trie_node *packed, struct order_context *context)
{
    struct path_trie_entry *entries = (struct path_trie_entry *)(void *)path_trie_entries(packed);
    uint32_t from = node->first_entry;
    for (uint32_t i = 0; i < node->entry_count; i++) {
        entries[i] = builder->entries[from].entry;
        from = builder->entries[from].next;
    }
    if (node->entry_count > 1)
        qsort_r(entries, node->entry_count, sizeof(*entries), compare_entries, context);
}

static struct path_trie_node *pack_node(const struct path_trie_builder *builder,
                                        const struct build_node *node, uint64_t *words)
{
    struct path_trie_node *packed = (struct path_trie_node *)(void *)(words + node->packed);
    *packed = (struct path_trie_node){
        .parent = builder->nodes[node->parent].packed,
        .param = builder->nodes[node->param].packed,
        .rest = builder->nodes[node->rest].packed,
        .literal = node->literal_count > 1 ? PATH_TRIE_MANY : builder->nodes[node->literal].packed,
        .label_length = (uint16_t)node->label_length,
        .entry_count = (uint16_t)node->entry_count,
    };
    if (node->label_length > 0)
        memcpy(packed->label, builder->text + node->label, node->label_length);
    return packed;
}

/* Whether it is found by its hash: hosts, and literals with siblings. */
static bool has_slot(const struct path_trie_builder *builder, uint32_t id)
{
    uint32_t parent = builder->nodes[id].parent;
    const struct build_node *above = &builder->nodes[parent];
    if (parent < PATH_TRIE_FIRST)
        return true;
    return above->literal_count > 1 && above->param != id && above->rest != id;
}

static size_t count_slots(const struct path_trie_builder *builder)
{
    size_t count = 0;
    for (uint32_t id = PATH_TRIE_FIRST; id < builder->node_count; id++)
        count += has_slot(builder, id);
    return count;
}

static int compare_ends(const void *one, const void *other)
{
    const struct path_trie_end *first = one, *second = other;
    if (first->route != second->route)
        return first->route < second->route ? -1 : 1;
    return first->node < second->node ? -1 : first->node > second->node;
}

static void pack_nodes(const struct path_trie_builder *builder, struct path_trie *trie,
                       struct order_context *context)
{
    struct path_trie_slot *slots = (struct path_trie_slot *)(void *)trie->slots;
    struct path_trie_end *ends = (struct path_trie_end *)(void *)trie->ends;
    uint64_t *words = (uint64_t *)(void *)trie->words;

    for (uint32_t id = PATH_TRIE_FIRST; id < builder->node_count; id++) {
        yielding_offer();
        const struct build_node *node = &builder->nodes[id];
        struct path_trie_node *packed = pack_node(builder, node, words);
        uint64_t hash = path_trie_label_hash(path_trie_label(packed));
        pack_entries(builder, node, packed, context);
        for (uint32_t i = 0; i < node->entry_count; i++)
            *ends++ = (struct path_trie_end){path_trie_entries(packed)[i].route, node->packed};
        if (has_slot(builder, id))
            put_slot(
                slots, trie->slot_mask + 1,
                (struct path_trie_slot){path_trie_slot_hash(packed->parent, hash), node->packed});
        if (node->parent == PATH_TRIE_WILDCARD_HOSTS &&
            node->label_length > trie->wildcard_bytes_max)
            trie->wildcard_bytes_max = node->label_length;
        if (node->parent == PATH_TRIE_ANY_HOST)
            trie->any_host = node->packed;
    }
    qsort((void *)trie->ends, trie->end_count, sizeof(*trie->ends), compare_ends);
}

void path_trie_builder_seal(struct path_trie_builder *builder, struct path_trie *trie,
                            path_trie_order *order, const void *data)
{
    size_t words = place_nodes(builder), used = count_slots(builder), slots = LINE_WORDS;
    while (slots < used + used / 2)
        slots *= 2;
    assert(slots - 1 <= UINT32_MAX);

    *trie = (struct path_trie){.slot_mask = (uint32_t)(slots - 1)};
    trie->has_exact_hosts = builder->nodes[PATH_TRIE_EXACT_HOSTS].literal_count > 0;
    trie->end_count = builder->entry_count - 1;
    size_t slot_bytes = slots * sizeof(struct path_trie_slot);
    size_t end_bytes = trie->end_count * sizeof(struct path_trie_end);
    trie->bytes = slot_bytes + words * sizeof(uint64_t) + end_bytes;
    trie->block = memset(filled_table(trie->bytes), 0, trie->bytes);
    trie->slots = trie->block;
    trie->words = (void *)((char *)trie->block + slot_bytes);
    trie->ends = (void *)((char *)trie->block + slot_bytes + words * sizeof(uint64_t));
    pack_nodes(builder, trie, &(struct order_context){order, data});
}
