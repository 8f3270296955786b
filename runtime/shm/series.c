/*
 * series — the names first, then lane after lane, each on pages of its own.
 */
#include "shm/series.h"

#define SERIES_LAYOUT 2
#define LANE_WORDS    (SERIES_LANES_MAX / 64)

struct series_shared {
    uint64_t lanes_used[LANE_WORDS]; /* a bit each; all others are zero, and were never touched */
};

static size_t round_to_page(size_t bytes)
{
    return (bytes + SEGMENT_PAGE_BYTES - 1) & ~(size_t)(SEGMENT_PAGE_BYTES - 1);
}

static struct name_table_limits names_of(const struct series_limits *limits)
{
    return (struct name_table_limits){.names = limits->rows, .text_bytes = limits->text_bytes};
}

static size_t names_bytes(const struct series_limits *limits)
{
    struct name_table_limits names = names_of(limits);
    return round_to_page(sizeof(struct series_shared) + name_table_bytes(&names));
}

static size_t lane_bytes(const struct series_limits *limits)
{
    return round_to_page((size_t)limits->rows * limits->words * sizeof(uint64_t));
}

size_t series_bytes(const struct series_limits *limits)
{
    assert(limits->lanes > 0 && limits->lanes <= SERIES_LANES_MAX);
    assert(limits->rows > 1 && limits->words > 0);
    return names_bytes(limits) + limits->lanes * lane_bytes(limits);
}

bool series_init(struct series *series, struct segment *segment, const char *name,
                 const struct series_limits *limits)
{
    char *memory =
        segment_allot(segment, name, SERIES_LAYOUT << 16 | limits->words, series_bytes(limits));
    if (memory == NULL)
        return false;
    *series = (struct series){.shared = (struct series_shared *)(void *)memory,
                              .values = (uint64_t *)(void *)(memory + names_bytes(limits)),
                              .lane_words = lane_bytes(limits) / sizeof(uint64_t),
                              .lanes = limits->lanes,
                              .rows = limits->rows,
                              .words = limits->words};
    struct name_table_limits names = names_of(limits);
    return name_table_init(&series->names, memory + sizeof(struct series_shared), &names,
                           segment_hash_key(segment));
}

void series_attach(struct series *series, uint32_t lane)
{
    assert(lane < series->lanes);
    __atomic_fetch_or(&series->shared->lanes_used[lane / 64], 1ULL << lane % 64, __ATOMIC_RELAXED);
    series->mine = series->values + lane * series->lane_words;
}

bool series_has(const struct series *series, uint32_t lane)
{
    uint64_t used = __atomic_load_n(&series->shared->lanes_used[lane / 64], __ATOMIC_RELAXED);
    return (used >> lane % 64 & 1) != 0;
}

uint64_t series_sum(const struct series *series, uint32_t row, uint32_t word)
{
    assert(row < series->rows && word < series->words);
    const uint64_t *values = series->values + (size_t)row * series->words + word;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < LANE_WORDS; i++) {
        uint64_t used = __atomic_load_n(&series->shared->lanes_used[i], __ATOMIC_RELAXED);
        for (; used != 0; used &= used - 1) {
            size_t lane = (size_t)i * 64 + (size_t)__builtin_ctzll(used);
            sum += __atomic_load_n(values + lane * series->lane_words, __ATOMIC_RELAXED);
        }
    }
    return sum;
}
