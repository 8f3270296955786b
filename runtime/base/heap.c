/*
 * heap — slabs of things of one size each, cut from spans.
 *
 * A slab is found from what lies in it, since it begins at a multiple of its size. Of each size one
 * is in use; others that have room wait in a list, full ones are in none. An empty one is for any
 * size.
 */
#include "base/heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/list.h"
#include "base/mem.h"

#define SLAB_BYTES      ((size_t)65536)
#define SLAB_HEAD_BYTES ((size_t)64)
#define SPAN_BYTES      MEM_LARGE_PAGE_BYTES
/* Sizes are multiples of this up to 256 bytes; above, there are four between each two powers of
 * two. */
#define STEP_BYTES     ((size_t)16)
#define FINE_BYTES_MAX ((size_t)256)
#define SIZE_COUNT     36

/* One that is given back: it links to the next one. */
struct hole {
    struct hole *next;
};

/* At its beginning, in SLAB_HEAD_BYTES. */
struct slab {
    struct list node; /* among those with room, or the empty ones */
    struct hole *holes;
    char *fresh, *end;   /* what was never given out */
    uint32_t used, size; /* how many are given out; which size they have */
    bool is_waiting;     /* it has room, and is in its size's list */
    bool is_trimmed;     /* the system has its memory, but for the first page */
};
_Static_assert(sizeof(struct slab) <= SLAB_HEAD_BYTES, "it has room");

struct size {
    struct slab *slab; /* in use; NULL: none */
    struct list waiting;
};

struct heap {
    struct size sizes[SIZE_COUNT];
    struct list empty;
    char *fresh, *populated, *end; /* of the last span */
    char **spans;
    size_t span_count, trimmed;
    bool has_ended;
};

static size_t size_of(size_t bytes)
{
    if (bytes <= FINE_BYTES_MAX)
        return (bytes - 1) / STEP_BYTES;
    size_t last = bytes - 1;
    unsigned power = 63u - (unsigned)__builtin_clzll(last); /* 8 for 257 to 512 */
    return 16 + (power - 8) * 4 + ((last >> (power - 2)) & 3);
}

static size_t bytes_of(size_t size)
{
    if (size < 16)
        return (size + 1) * STEP_BYTES;
    size_t quarter = FINE_BYTES_MAX << ((size - 16) / 4) >> 2;
    return quarter * (4 + (size - 16) % 4 + 1);
}

static struct slab *slab_of(void *memory)
{
    return (struct slab *)((char *)memory - ((uintptr_t)memory & (SLAB_BYTES - 1)));
}

struct heap *heap_create(void)
{
    struct heap *heap = mem_zeroed(sizeof(*heap));

    list_init(&heap->empty);
    for (size_t i = 0; i < SIZE_COUNT; i++)
        list_init(&heap->sizes[i].waiting);
    return heap;
}

void heap_end(struct heap *heap)
{
    heap->has_ended = true;
}

void heap_destroy(struct heap **pointer)
{
    struct heap *heap = *pointer;

    *pointer = NULL;
    for (size_t i = 0; i < heap->span_count; i++)
        munmap(heap->spans[i], SPAN_BYTES);
    free(heap->spans);
    free(heap);
}

/* Begins at a multiple of its size. */
static char *map_span(void)
{
    char *memory =
        mmap(NULL, 2 * SPAN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort(); /* out of memory */
    size_t before = -(uintptr_t)memory & (SPAN_BYTES - 1);
    if (before > 0)
        munmap(memory, before);
    munmap(memory + before + SPAN_BYTES, SPAN_BYTES - before);
    return memory + before;
}

/* The first one holds what every state has, which fills no large page. */
static void add_span(struct heap *heap)
{
    char *span = map_span();

    heap->spans = mem_resize(heap->spans, (heap->span_count + 1) * sizeof(*heap->spans));
    heap->spans[heap->span_count++] = span;
    if (heap->span_count > 1)
        madvise(span, SPAN_BYTES, MADV_HUGEPAGE);
    heap->fresh = heap->populated = span;
    heap->end = span + SPAN_BYTES;
}

static struct slab *take_fresh(struct heap *heap)
{
    if (heap->fresh == heap->end)
        add_span(heap);
    if (heap->fresh == heap->populated) {
        mem_populate(heap->populated, MEM_STRETCH_BYTES);
        heap->populated += MEM_STRETCH_BYTES;
    }
    struct slab *slab = (struct slab *)heap->fresh;
    heap->fresh += SLAB_BYTES;
    return slab;
}

static struct slab *take_empty(struct heap *heap)
{
    if (list_is_empty(&heap->empty))
        return take_fresh(heap);
    struct slab *slab = CONTAINER_OF(heap->empty.next, struct slab, node);
    list_remove(&slab->node);
    if (slab->is_trimmed) {
        heap->trimmed -= SLAB_BYTES - MEM_PAGE_BYTES;
        mem_populate(slab, SLAB_BYTES);
    }
    return slab;
}

/* For a size whose slab in use is full, or that has none. */
static struct slab *next_slab(struct heap *heap, size_t size)
{
    struct size *of = &heap->sizes[size];

    if (!list_is_empty(&of->waiting)) {
        of->slab = CONTAINER_OF(of->waiting.next, struct slab, node);
        list_remove(&of->slab->node);
        of->slab->is_waiting = false;
        return of->slab;
    }
    struct slab *slab = take_empty(heap);
    *slab = (struct slab){.fresh = (char *)slab + SLAB_HEAD_BYTES,
                          .end = (char *)slab + SLAB_BYTES - bytes_of(size) + 1,
                          .size = (uint32_t)size};
    list_init(&slab->node);
    return of->slab = slab;
}

static bool has_room(const struct slab *slab)
{
    return slab->holes != NULL || slab->fresh < slab->end;
}

static void *take(struct heap *heap, size_t size)
{
    struct slab *slab = heap->sizes[size].slab;

    if (slab == NULL || !has_room(slab))
        slab = next_slab(heap, size);
    slab->used++;
    void *memory = slab->holes;
    if (memory != NULL) {
        slab->holes = slab->holes->next;
        return memory;
    }
    memory = slab->fresh;
    slab->fresh += bytes_of(size);
    return memory;
}

static void give(struct heap *heap, void *memory)
{
    struct slab *slab = slab_of(memory);
    struct size *of = &heap->sizes[slab->size];
    struct hole *hole = memory;

    hole->next = slab->holes;
    slab->holes = hole;
    slab->used--;
    if (slab == of->slab)
        return;
    if (slab->used == 0) {
        list_remove(&slab->node);
        list_push_front(&heap->empty, &slab->node);
        slab->is_waiting = slab->is_trimmed = false;
    } else if (!slab->is_waiting) {
        slab->is_waiting = true;
        list_push_front(&of->waiting, &slab->node);
    }
}

static bool is_small(size_t bytes)
{
    return bytes <= HEAP_SMALL_BYTES_MAX;
}

static void *take_any(struct heap *heap, size_t bytes)
{
    return is_small(bytes) ? take(heap, size_of(bytes)) : mem_alloc(bytes);
}

static void give_any(struct heap *heap, void *memory, size_t bytes)
{
    if (!is_small(bytes))
        free(memory);
    else if (memory != NULL && !heap->has_ended)
        give(heap, memory);
}

void *heap_resize(struct heap *heap, void *memory, size_t bytes, size_t wanted)
{
    if (wanted == 0) {
        give_any(heap, memory, bytes);
        return NULL;
    }
    if (memory == NULL)
        return take_any(heap, wanted);
    if (!is_small(bytes) && !is_small(wanted))
        return mem_resize(memory, wanted);
    if (is_small(bytes) && is_small(wanted) && size_of(bytes) == size_of(wanted))
        return memory;
    void *moved = take_any(heap, wanted);
    memcpy(moved, memory, bytes < wanted ? bytes : wanted);
    give_any(heap, memory, bytes);
    return moved;
}

void heap_trim(struct heap *heap)
{
    for (struct list *node = heap->empty.next; node != &heap->empty; node = node->next) {
        struct slab *slab = CONTAINER_OF(node, struct slab, node);
        if (slab->is_trimmed)
            continue;
        /* A page stays, which says of the others that they are gone. */
        slab->is_trimmed =
            madvise((char *)slab + MEM_PAGE_BYTES, SLAB_BYTES - MEM_PAGE_BYTES, MADV_DONTNEED) == 0;
        heap->trimmed += slab->is_trimmed ? SLAB_BYTES - MEM_PAGE_BYTES : 0;
    }
}

size_t heap_bytes(const struct heap *heap)
{
    size_t unused = (size_t)(heap->end - heap->populated);

    return heap->span_count * SPAN_BYTES - unused - heap->trimmed;
}
