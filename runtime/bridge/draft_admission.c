/*
 * draft_admission — an upstream's limit of requests at once, and its queue, of the configuration.
 */
#include "bridge/draft.h"
#include "bridge/exports.h"

static uint32_t requests(const struct draft *draft, int which)
{
    uint64_t number = draft_count(draft, which, 1);

    if (number == 0)
        return 1;
    return number > GATE_LIMIT_MAX ? GATE_LIMIT_MAX : (uint32_t)number;
}

static struct gate_options limit_of(const struct draft *draft)
{
    double window_ms = draft_number(draft, MOON_BUILD_ADAPTIVE_WINDOW, 0) * 1000;
    bool is_sane = window_ms >= GATE_WINDOW_MIN && window_ms <= GATE_WINDOW_MAX;

    return (struct gate_options){
        .min = requests(draft, MOON_BUILD_ADAPTIVE_MIN),
        .max = requests(draft, MOON_BUILD_ADAPTIVE_MAX),
        .initial = requests(draft, MOON_BUILD_ADAPTIVE_INITIAL),
        .window_ms = is_sane ? (uint32_t)window_ms : GATE_WINDOW_MIN,
        .tolerance = draft_number(draft, MOON_BUILD_ADAPTIVE_TOLERANCE, 1.25),
        .is_report_only = draft_number(draft, MOON_BUILD_ADAPTIVE_REPORT_ONLY, 0) != 0,
    };
}

static enum admission_order order_of(const struct draft *draft)
{
    struct slice name = draft_text(draft, MOON_BUILD_QUEUE_ORDER, SLICE("adaptive"));

    if (slice_equals(name, SLICE("fifo")))
        return ADMISSION_OLDEST_FIRST;
    return slice_equals(name, SLICE("lifo")) ? ADMISSION_NEWEST_FIRST : ADMISSION_ADAPTIVE;
}

const struct admission_options *draft_admission(struct generation *generation)
{
    const struct draft *draft = generation->draft;
    bool has_limit = draft->has_number[MOON_BUILD_ADAPTIVE_MAX];
    bool has_queue = draft->has_number[MOON_BUILD_QUEUE_SIZE];

    if (!has_limit && !has_queue)
        return NULL;
    struct admission_options *options = arena_zeroed(&generation->arena, sizeof(*options));
    options->has_limit = has_limit;
    if (has_limit)
        options->limit = limit_of(draft);
    if (has_queue) {
        options->queue_size = (unsigned)draft_count(draft, MOON_BUILD_QUEUE_SIZE, 0);
        options->queue_seconds = draft_number(draft, MOON_BUILD_QUEUE_DEADLINE, 0);
        options->order = order_of(draft);
        options->is_queue_report_only = draft_number(draft, MOON_BUILD_QUEUE_REPORT_ONLY, 0) != 0;
    }
    return options;
}
