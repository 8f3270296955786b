/*
 * shared — divides the segment: a quarter of the counters' bytes for counters, the rest for
 * histograms.
 */
#include "shm/shared.h"

#include <errno.h>

#include "base/mem.h"

/* What the regions' heads, alignments and the directory take beside what was asked for. */
#define OVERHEAD_BYTES        ((size_t)1 << 20)
#define COUNTER_WORD_BYTES    8
#define HISTOGRAM_WORDS_BYTES 192
/* Mean bytes of a name with its labels. */
#define TEXT_BYTES 96
#define SLOTS_MIN  64

/* How many slots fit, each with its words in every lane and its text. */
static uint32_t slots_for(size_t bytes, size_t words_bytes, unsigned lanes)
{
    size_t slots = bytes / (words_bytes * lanes + TEXT_BYTES);
    if (slots < SLOTS_MIN)
        return SLOTS_MIN;
    return slots < UINT32_MAX / 2 ? (uint32_t)slots : UINT32_MAX / 2;
}

static bool divide(struct shared *shared, const struct shared_options *options)
{
    size_t counter_bytes = options->counters_bytes / 4;
    size_t histogram_bytes = options->counters_bytes - counter_bytes;
    struct counter_limits counters = {.lanes = options->workers};
    struct histogram_limits histograms = {.lanes = options->workers};

    counters.slots = slots_for(counter_bytes, COUNTER_WORD_BYTES, options->workers);
    counters.text_bytes = (size_t)counters.slots * TEXT_BYTES;
    histograms.slots = slots_for(histogram_bytes, HISTOGRAM_WORDS_BYTES, options->workers);
    histograms.text_bytes = (size_t)histograms.slots * TEXT_BYTES;
    size_t places = limiter_fit(options->limits_bytes);
    size_t needed = counter_table_bytes(&counters) + histogram_table_bytes(&histograms) +
                    options->limits_bytes + options->dict_bytes + OVERHEAD_BYTES;
    if (places == 0 || !segment_init(&shared->segment, needed))
        return false;
    errno = EINVAL;
    return counter_table_init(&shared->counters, &shared->segment, "counters", &counters) &&
           histogram_table_init(&shared->histograms, &shared->segment, "histograms", &histograms) &&
           limiter_init(&shared->limiter, &shared->segment, "limits", places) &&
           dict_init(&shared->dict, &shared->segment, "dict", options->dict_bytes);
}

struct shared *shared_create(const struct shared_options *options)
{
    struct shared *shared = mem_zeroed(sizeof(*shared));

    errno = EINVAL;
    if (!divide(shared, options)) {
        int reason = errno;
        if (shared->segment.memory != NULL)
            segment_clear(&shared->segment);
        free(shared);
        errno = reason;
        return NULL;
    }
    shared->loop_turns =
        histogram_slot(&shared->histograms, SLICE("moongate_loop_turn_seconds"), SLICE(""));
    return shared;
}

void shared_destroy(struct shared **shared)
{
    dict_clear(&(*shared)->dict);
    segment_clear(&(*shared)->segment);
    free(*shared);
    *shared = NULL;
}

void shared_attach(struct shared *shared, unsigned worker)
{
    counter_table_attach(&shared->counters, worker);
    histogram_table_attach(&shared->histograms, worker);
    dict_attach(&shared->dict, worker);
}

void shared_forget_worker(struct shared *shared, unsigned worker)
{
    counter_lane_reset_gauges(&shared->counters, worker);
}

void shared_observe_turn(struct shared *shared, double seconds)
{
    if (seconds >= 0)
        histogram_observe(&shared->histograms, shared->loop_turns, (uint64_t)(seconds * 1e9));
}
