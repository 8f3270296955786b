/*
 * shared — dividing one segment between counters, histograms, limits and the dictionary.
 */
#include "shm/shared.h"

#include <assert.h>
#include <errno.h>

#include "base/mem.h"

#define MASTER_LANE 0
#define LOOP_TURNS  "moongate_loop_turn_seconds"
#define TURN_NS_MAX 1e18

static bool is_size(size_t bytes)
{
    return bytes == 0 || (bytes >= SHARED_BYTES_MIN && bytes <= SHARED_BYTES_MAX);
}

static bool is_sane(const struct shared_options *options)
{
    return options->workers > 0 && options->workers <= SHARED_WORKERS_MAX &&
           is_size(options->counters_bytes) && is_size(options->limits_bytes) &&
           is_size(options->dict_bytes);
}

/* How large each region is. */
struct division {
    struct counter_limits counters;
    struct histogram_limits histograms;
    size_t places, dict_bytes;
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
    if (options->counters_bytes > 0)
        histograms = fit_histograms(lanes, options->counters_bytes);
    if (histograms < 2)
        return false;
    divide_counters(division, 2 * lanes, histograms);
    division->places = limiter_fit(options->limits_bytes > 0 ? options->limits_bytes
                                                             : SHARED_LIMITS_BYTES_DEFAULT);
    division->dict_bytes =
        options->dict_bytes > 0 ? options->dict_bytes : SHARED_DICT_BYTES_DEFAULT;
    return true;
}

static size_t total_bytes(const struct division *division)
{
    return SEGMENT_BYTES_MIN + counters_bytes(division) + cell_table_bytes(division->places) +
           division->dict_bytes + notice_bytes();
}

/* Cannot fail: the segment was made for it. */
static void allot(struct shared *shared, const struct division *division)
{
    struct segment *segment = &shared->segment;
    bool is_allotted =
        counter_table_init(&shared->counters, segment, "counters", &division->counters) &&
        histogram_table_init(&shared->histograms, segment, "histograms", &division->histograms) &&
        limiter_init(&shared->limiter, segment, "limits", division->places) &&
        dict_init(&shared->dict, segment, "dict", division->dict_bytes) &&
        notice_init(&shared->notice, segment, "notice");
    assert(is_allotted);
    shared->loop_turns = histogram_slot(&shared->histograms, SLICE(LOOP_TURNS), SLICE_NONE);
}

static void attach_lane(struct shared *shared, uint32_t lane)
{
    counter_table_attach(&shared->counters, lane);
    histogram_table_attach(&shared->histograms, lane);
    dict_attach(&shared->dict, lane);
}

static uint32_t lane_of(const struct shared *shared, unsigned worker)
{
    assert(worker < shared->counters.series.lanes / 2 - 1);
    return MASTER_LANE + 1 + worker;
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
    allot(shared, &division);
    attach_lane(shared, MASTER_LANE);
    return shared;
}

void shared_destroy(struct shared **shared)
{
    dict_clear(&(*shared)->dict);
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
}

void shared_observe_turn(struct shared *shared, double seconds)
{
    double duration_ns = seconds > 0 ? seconds * 1e9 : 0; /* clocks may be set back */
    if (duration_ns > TURN_NS_MAX)
        duration_ns = TURN_NS_MAX;
    histogram_observe(&shared->histograms, shared->loop_turns, (uint64_t)duration_ns);
}
