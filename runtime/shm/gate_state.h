/*
 * gate_state — what is in each word of a learnt limit (gate_limit.h).
 *
 * Bits of a standing: 1 and 0 enum gate_step, 23 to 2 the limit in GATE_GRAINS, 63 to 24
 * milliseconds until when. Of a tally: 31 to 0 the mean in microseconds as a float, 42 to 32
 * answers that it is of, 53 to 43 requests that failed, 54 whether the limit was used, 63 to 55
 * which window. Averages are two floats, microseconds: what is usual, and what was lately.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define GATE_GRAINS     64
#define GATE_STEP_BITS  2
#define GATE_LIMIT_BITS 22
#define GATE_LIMIT_MASK ((1U << GATE_LIMIT_BITS) - 1)
#define GATE_COUNT_MAX  0x7ffU
#define GATE_ID_MASK    0x1ffU

enum gate_step {
    GATE_LEARNING,
    GATE_LOWERED,  /* until what was under way before is over */
    GATE_REVIEWING /* what is seen tells what is usual */
};

struct gate_standing {
    enum gate_step step;
    double limit;      /* 0: none has been learnt */
    uint64_t until_ms; /* of GATE_LEARNING: until there may be another review */
};

struct gate_tally {
    float mean_us;
    uint32_t answers, failures, id;
    bool is_used;
};

struct gate_averages {
    float usual_us, recent_us;
};

static inline struct gate_standing gate_standing_of(uint64_t word)
{
    return (struct gate_standing){
        .step = (enum gate_step)(word & 3),
        .limit = (double)((word >> GATE_STEP_BITS) & GATE_LIMIT_MASK) / GATE_GRAINS,
        .until_ms = word >> (GATE_STEP_BITS + GATE_LIMIT_BITS),
    };
}

static inline uint64_t gate_word_of_standing(const struct gate_standing *standing)
{
    uint64_t limit = (uint64_t)lrint(standing->limit * GATE_GRAINS);

    return (uint64_t)standing->step |
           (limit > GATE_LIMIT_MASK ? GATE_LIMIT_MASK : limit) << GATE_STEP_BITS |
           standing->until_ms << (GATE_STEP_BITS + GATE_LIMIT_BITS);
}

static inline uint32_t gate_bits_of(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

static inline float gate_float_of(uint64_t bits)
{
    uint32_t half = (uint32_t)bits;
    float number;
    memcpy(&number, &half, sizeof(number));
    return number;
}

static inline struct gate_tally gate_tally_of(uint64_t word)
{
    return (struct gate_tally){
        .mean_us = gate_float_of(word),
        .answers = (uint32_t)(word >> 32) & GATE_COUNT_MAX,
        .failures = (uint32_t)(word >> 43) & GATE_COUNT_MAX,
        .is_used = (word >> 54 & 1) != 0,
        .id = (uint32_t)(word >> 55),
    };
}

static inline uint64_t gate_word_of_tally(const struct gate_tally *tally)
{
    return (uint64_t)gate_bits_of(tally->mean_us) | (uint64_t)tally->answers << 32 |
           (uint64_t)tally->failures << 43 | (uint64_t)tally->is_used << 54 |
           (uint64_t)(tally->id & GATE_ID_MASK) << 55;
}

static inline struct gate_averages gate_averages_of(uint64_t word)
{
    return (struct gate_averages){gate_float_of(word), gate_float_of(word >> 32)};
}

static inline uint64_t gate_word_of_averages(const struct gate_averages *averages)
{
    return (uint64_t)gate_bits_of(averages->usual_us) | (uint64_t)gate_bits_of(averages->recent_us)
                                                            << 32;
}
