/*
 * shared — dividing one segment between all that is counted and kept in it.
 */
#include "shm/shared.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "base/mem.h"

#define ORIGIN_LAYOUT 5

#define MASTER_LANE 0
#define LOOP_TURNS  "moongate_loop_turn_seconds"
#define TURN_NS_MAX 1e18

/* What the segment was made for; sizes follow from it. */
struct shared_origin {
    uint64_t workers, counters_bytes, limits_bytes, dict_bytes, value_bytes, object_bytes;
};

static bool is_size(size_t bytes)
{
    return bytes == 0 || (bytes >= SHARED_BYTES_MIN && bytes <= SHARED_BYTES_MAX);
}

static bool is_sane(const struct shared_options *options)
{
    return options->workers > 0 && options->workers <= SHARED_WORKERS_MAX &&
           is_size(options->counters_bytes) && is_size(options->limits_bytes) &&
           is_size(options->dict_bytes) && is_size(options->value_bytes) &&
           is_size(options->object_bytes);
}

/* How large each region is. */
struct division {
    uint32_t lanes;
    struct counter_limits counters;
    struct histogram_limits histograms;
    size_t places, dict_bytes, value_bytes, object_bytes;
};

static void divide_counters(struct division *division, uint32_t lanes, uint32_t histograms)
{
    uint32_t counters = histograms * SHARED_COUNTERS_PER_HISTOGRAM;
    division->histograms = (struct histogram_limits){
        lanes, histograms, (size_t)histograms * SHARED_NAME_BYTES_AVERAGE};
    division->counters =
        (struct counter_limits){lanes, counters, (size_t)counters * SHARED_NAME_BYTES_AVERAGE};
}

static size_t counters_bytes(const struct division *division)
{
    return counter_table_bytes(&division->counters) + histogram_table_bytes(&division->histograms);
}

/* The most histograms that fit, by halving: sizes jump where a hash table doubles. */
static uint32_t fit_histograms(uint32_t lanes, size_t bytes)
{
    struct division division;
    uint32_t fits = 0, step = 1U << 22;
    while (step > 0) {
        divide_counters(&division, lanes, fits + step);
        if (fits + step > 1 && counters_bytes(&division) <= bytes)
            fits += step;
        step /= 2;
    }
    return fits;
}

static bool divide(struct division *division, const struct shared_options *options)
{
    uint32_t lanes = options->workers + 1, histograms = SHARED_HISTOGRAMS_DEFAULT;
    uint32_t room = lanes > SHARED_WORKERS_ROOM + 1 ? lanes : SHARED_WORKERS_ROOM + 1;
    if (options->counters_bytes > 0)
        histograms = fit_histograms(lanes, options->counters_bytes);
    if (histograms < 2)
        return false;
    division->lanes = 2 * room;
    divide_counters(division, division->lanes, histograms);
    division->places = limiter_fit(options->limits_bytes > 0 ? options->limits_bytes
                                                             : SHARED_LIMITS_BYTES_DEFAULT);
    division->dict_bytes =
        options->dict_bytes > 0 ? options->dict_bytes : SHARED_DICT_BYTES_DEFAULT;
    division->value_bytes =
        options->value_bytes > 0 ? options->value_bytes : SHARED_VALUE_BYTES_DEFAULT;
    division->object_bytes =
        options->object_bytes > 0 ? options->object_bytes : SHARED_OBJECT_BYTES_DEFAULT;
    return true;
}

static struct object_store_shape objects_shape(const struct division *division)
{
    return (struct object_store_shape){division->object_bytes, OBJECT_PAGE_BYTES, division->lanes};
}

static size_t total_bytes(const struct division *division)
{
    const struct object_store_shape objects = objects_shape(division);

    return SEGMENT_BYTES_MIN + counters_bytes(division) + cell_table_bytes(division->places) +
           division->dict_bytes + notice_bytes() + worker_board_bytes(division->lanes) +
           plugin_accounts_bytes(division->lanes) + slots_bytes(division->lanes) +
           object_store_bytes(&objects) +
           values_region_bytes(division->value_bytes, division->lanes) +
           target_board_bytes(division->lanes) + breakers_bytes() + gates_bytes(division->lanes) +
           answer_times_bytes() + tallies_bytes();
}

/* An account of values is the counter of what is evicted of its cache. */
static void on_value_freed(void *data, uint32_t account, uint64_t bytes, bool was_evicted)
{
    const struct shared *shared = data;
    if (was_evicted)
        counter_add(&shared->counters, account, 1);
}

static void on_object_freed(void *data, uint32_t account, uint64_t bytes, bool was_evicted)
{
    const struct shared *shared = data;
    if (was_evicted && account != 0)
        tallies_count(&shared->evicted, account);
}

/* False when a region is there with another size or layout. */
static bool allot(struct shared *shared, const struct division *division)
{
    const struct object_store_shape objects = objects_shape(division);
    struct segment *segment = &shared->segment;
    bool is_allotted =
        counter_table_init(&shared->counters, segment, "counters", &division->counters) &&
        histogram_table_init(&shared->histograms, segment, "histograms", &division->histograms) &&
        limiter_init(&shared->limiter, segment, "limits", division->places) &&
        dict_init(&shared->dict, segment, "dict", division->dict_bytes) &&
        notice_init(&shared->notice, segment, "notice") &&
        worker_board_init(&shared->board, segment, division->lanes) &&
        plugin_accounts_init(&shared->accounts, segment, division->lanes) &&
        slots_init(&shared->slots, segment, "slots", division->lanes) &&
        object_store_init(&shared->objects, segment, "objects", &objects) &&
        values_init(&shared->values, segment, division->value_bytes, division->lanes) &&
        target_board_init(&shared->targets, segment, division->lanes) &&
        breakers_init(&shared->breakers, segment, "breakers") &&
        gates_init(&shared->gates, segment, division->lanes) &&
        answer_times_init(&shared->answer_times, segment, "answer times") &&
        tallies_init(&shared->evicted, segment, "evicted");
    if (is_allotted) {
        object_store_on_freed(&shared->values.store, on_value_freed, shared);
        object_store_on_freed(&shared->objects, on_object_freed, shared);
    }
    if (is_allotted)
        shared->loop_turns = histogram_slot(&shared->histograms, SLICE(LOOP_TURNS), SLICE_NONE);
    return is_allotted;
}

static void attach_lane(struct shared *shared, uint32_t lane)
{
    counter_table_attach(&shared->counters, lane);
    histogram_table_attach(&shared->histograms, lane);
    dict_attach(&shared->dict, lane);
    plugin_accounts_attach(&shared->accounts, lane);
    slots_attach(&shared->slots, lane);
    object_store_attach(&shared->objects, lane);
    object_store_attach(&shared->values.store, lane);
    target_board_attach(&shared->targets, lane);
    gates_attach(&shared->gates, lane);
    shared->place = worker_board_place(&shared->board, lane);
}

static uint32_t lanes_of_side(const struct shared *shared)
{
    return shared->counters.series.lanes / 2;
}

static uint32_t first_lane(const struct shared *shared)
{
    return shared->side * lanes_of_side(shared) + MASTER_LANE;
}

static uint32_t lane_of(const struct shared *shared, unsigned worker)
{
    assert(worker < lanes_of_side(shared) - 1);
    return first_lane(shared) + 1 + worker;
}

int shared_worker_of(const struct shared *shared, uint32_t lane)
{
    uint32_t first = first_lane(shared) + 1;
    return lane >= first && lane < first_lane(shared) + lanes_of_side(shared) ? (int)(lane - first)
                                                                              : -1;
}

static struct shared_origin *allot_origin(struct shared *shared)
{
    return segment_allot(&shared->segment, "origin", ORIGIN_LAYOUT, sizeof(struct shared_origin));
}

/* Each worker is told by its own that what it waits for has come. */
static bool open_wakes(struct shared *shared, unsigned workers)
{
    uint32_t first = first_lane(shared) + 1;
    return object_store_open_wakes(&shared->objects, first, workers) &&
           object_store_open_wakes(&shared->values.store, first, workers) &&
           gates_hang_bells(&shared->gates, first, workers);
}

struct shared *shared_create(const struct shared_options *options)
{
    struct division division;
    if (!is_sane(options) || !divide(&division, options)) {
        errno = EINVAL;
        return NULL;
    }
    struct shared *shared = mem_zeroed(sizeof(*shared));
    if (!segment_init(&shared->segment, total_bytes(&division))) {
        free(shared);
        return NULL;
    }
    bool is_allotted = allot(shared, &division);
    struct shared_origin *origin = allot_origin(shared);
    assert(is_allotted && origin != NULL); /* the segment was made for it */
    *origin =
        (struct shared_origin){options->workers,    options->counters_bytes, options->limits_bytes,
                               options->dict_bytes, options->value_bytes,    options->object_bytes};
    attach_lane(shared, first_lane(shared));
    if (!open_wakes(shared, options->workers))
        shared_destroy(&shared);
    return shared;
}

/* Why what is there is not what `options` would make now; NULL: it is. */
static const char *find_difference(struct shared *shared, const struct shared_options *options)
{
    struct division division;
    const struct shared_origin *origin = allot_origin(shared);

    if (origin == NULL || origin->workers == 0)
        return "it is laid out in another way";
    if (!is_sane(options) || origin->counters_bytes != options->counters_bytes ||
        origin->limits_bytes != options->limits_bytes ||
        origin->dict_bytes != options->dict_bytes || origin->value_bytes != options->value_bytes ||
        origin->object_bytes != options->object_bytes)
        return "its sizes are configured in another way";
    struct shared_options made = *options;
    made.workers = (unsigned)origin->workers;
    if (!is_sane(&made) || !divide(&division, &made) || !allot(shared, &division))
        return "it is laid out in another way";
    if (options->workers >= lanes_of_side(shared))
        return "it was made for fewer workers";
    return NULL;
}

static void forget_side(struct shared *shared, unsigned side)
{
    uint32_t first = side * lanes_of_side(shared);

    for (uint32_t lane = first; lane < first + lanes_of_side(shared); lane++) {
        if (series_has(&shared->counters.series, lane)) {
            counter_lane_reset_gauges(&shared->counters, lane);
            slots_forget_lane(&shared->slots, lane);
            target_board_forget_lane(&shared->targets, lane);
            gates_forget_lane(&shared->gates, lane);
        }
        object_store_forget_lane(&shared->objects, lane);
        object_store_forget_lane(&shared->values.store, lane);
        worker_place_clear(worker_board_place(&shared->board, lane));
    }
}

struct shared *shared_adopt(int fd, const struct shared_options *options, unsigned its_side,
                            const char **why)
{
    struct shared *shared = mem_zeroed(sizeof(*shared));

    assert(its_side <= 1);
    bool is_mapped = segment_init_from_fd(&shared->segment, fd);
    *why = is_mapped ? find_difference(shared, options) : "it cannot be mapped";
    shared->side = 1 - its_side;
    if (*why == NULL && !open_wakes(shared, options->workers))
        *why = "there are no descriptors for its workers";
    if (*why == NULL) {
        forget_side(shared, shared->side); /* of a gateway that was killed at its start, too */
        attach_lane(shared, first_lane(shared));
        return shared;
    }
    if (is_mapped)
        munmap(shared->segment.memory, shared->segment.bytes);
    dict_clear(&shared->dict);
    values_clear(&shared->values);
    object_store_clear(&shared->objects);
    gates_clear(&shared->gates);
    free(shared);
    return NULL;
}

void shared_destroy(struct shared **shared)
{
    dict_clear(&(*shared)->dict);
    slots_clear(&(*shared)->slots);
    values_clear(&(*shared)->values);
    object_store_clear(&(*shared)->objects);
    gates_clear(&(*shared)->gates);
    notice_clear(&(*shared)->notice);
    segment_clear(&(*shared)->segment);
    free(*shared);
    *shared = NULL;
}

void shared_attach(struct shared *shared, unsigned worker)
{
    attach_lane(shared, lane_of(shared, worker));
}

void shared_forget_worker(struct shared *shared, unsigned worker)
{
    counter_lane_reset_gauges(&shared->counters, lane_of(shared, worker));
    worker_place_clear(shared_place(shared, worker));
    slots_forget_lane(&shared->slots, lane_of(shared, worker));
    object_store_forget_lane(&shared->objects, lane_of(shared, worker));
    object_store_forget_lane(&shared->values.store, lane_of(shared, worker));
    target_board_forget_lane(&shared->targets, lane_of(shared, worker));
    gates_forget_lane(&shared->gates, lane_of(shared, worker));
}

struct worker_place *shared_place(const struct shared *shared, unsigned worker)
{
    return worker_board_place(&shared->board, lane_of(shared, worker));
}

void shared_forget_other_side(struct shared *shared)
{
    forget_side(shared, 1 - shared->side);
}

void shared_observe_turn(struct shared *shared, double seconds)
{
    double duration_ns = seconds > 0 ? seconds * 1e9 : 0; /* clocks may be set back */
    if (duration_ns > TURN_NS_MAX)
        duration_ns = TURN_NS_MAX;
    histogram_observe(&shared->histograms, shared->loop_turns, (uint64_t)duration_ns);
}
