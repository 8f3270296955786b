/*
 * target_board — a series for the counts of lanes, rows for the names, and beside them the words.
 */
#include "shm/target_board.h"

#define LAYOUT 3

static struct series_limits limits_of(uint32_t lanes)
{
    return (struct series_limits){
        .lanes = lanes, .rows = TARGET_BOARD_ROWS_MAX, .words = TARGET_BOARD_WORDS};
}

/* The word of the prober has a page to itself. */
static size_t words_bytes(void)
{
    return SEGMENT_PAGE_BYTES + TARGET_BOARD_ROWS_MAX * sizeof(struct target_words);
}

static size_t rows_bytes(void)
{
    size_t bytes = target_rows_bytes(TARGET_BOARD_ROWS_MAX);
    return (bytes + SEGMENT_PAGE_BYTES - 1) & ~(size_t)(SEGMENT_PAGE_BYTES - 1);
}

size_t target_board_bytes(uint32_t lanes)
{
    struct series_limits limits = limits_of(lanes);
    return series_bytes(&limits) + words_bytes() + rows_bytes();
}

bool target_board_init(struct target_board *board, struct segment *segment, uint32_t lanes)
{
    struct series_limits limits = limits_of(lanes);
    char *memory = segment_allot(segment, "targets", LAYOUT, words_bytes());
    void *rows = segment_allot(segment, "targets rows", LAYOUT, rows_bytes());

    if (memory == NULL || rows == NULL ||
        !series_init(&board->active, segment, "targets active", &limits))
        return false;
    board->prober = (uint64_t *)(void *)memory;
    board->words = (struct target_words *)(void *)(memory + SEGMENT_PAGE_BYTES);
    board->hash_key = segment_hash_key(segment);
    board->rows = (struct target_rows){
        .hash_key = board->hash_key,
        .lanes = board->active,
        .holders = TARGET_BOARD_HOLDERS,
        .words = (uint64_t *)(void *)board->words,
        .width = sizeof(struct target_words) / sizeof(uint64_t),
        .keeper = offsetof(struct target_words, overlay) / sizeof(uint64_t),
    };
    target_rows_init(&board->rows, rows);
    return true;
}

void target_board_attach(struct target_board *board, uint32_t lane)
{
    board->lane = lane;
    series_attach(&board->active, lane);
    board->rows.lanes = board->active;
}

/* The word: 39 to 0 milliseconds until when, 63 to 40 the lane and one. */
#define UNTIL_MASK ((1ULL << 40) - 1)

static bool is_held(uint64_t word, double now)
{
    return word >> 40 != 0 && (uint64_t)(now * 1000) < (word & UNTIL_MASK);
}

bool target_board_claim_prober(const struct target_board *board, double now, double seconds)
{
    uint64_t seen = __atomic_load_n(board->prober, __ATOMIC_RELAXED);
    uint64_t until = (uint64_t)((now + seconds) * 1000) & UNTIL_MASK;
    uint64_t mine = (uint64_t)(board->lane + 1) << 40;

    if (is_held(seen, now) && (seen & ~UNTIL_MASK) != mine)
        return false;
    return __atomic_compare_exchange_n(board->prober, &seen, mine | until, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

bool target_board_prober(const struct target_board *board, double now, uint32_t *lane)
{
    uint64_t seen = __atomic_load_n(board->prober, __ATOMIC_RELAXED);

    *lane = (uint32_t)(seen >> 40) - 1;
    return is_held(seen, now);
}

void target_board_forget_lane(const struct target_board *board, uint32_t lane)
{
    struct series other = board->active;
    uint32_t end = target_rows_end(&board->rows);

    series_attach(&other, lane);
    for (uint32_t row = 1; row < end; row++) {
        uint64_t *words = series_mine(&other, row);
        for (int word = 0; word < TARGET_BOARD_HOLDERS; word++)
            series_store(words + word, 0);
        __atomic_store_n(words + TARGET_BOARD_HOLDERS, 0, __ATOMIC_RELEASE);
    }
    uint64_t seen = __atomic_load_n(board->prober, __ATOMIC_RELAXED);
    if (seen >> 40 == lane + 1)
        __atomic_compare_exchange_n(board->prober, &seen, 0, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
}
