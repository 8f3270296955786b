/*
 * ledger — two clocks, read for few exchanges.
 */
#include "bridge/ledger.h"

#include <time.h>

#include "base/clock.h"

/* The quickest of so many readings is what reading takes. */
#define CLOCK_TRIALS 16

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint32_t measure_clock(void)
{
    uint64_t least = UINT32_MAX;

    for (int i = 0; i < CLOCK_TRIALS; i++) {
        uint64_t before = read_clock(CLOCK_THREAD_CPUTIME_ID);
        uint64_t took = read_clock(CLOCK_THREAD_CPUTIME_ID) - before;
        least = took < least ? took : least;
    }
    return (uint32_t)least;
}

/* xorshift64: traffic must not keep in step with the sample. */
static uint64_t next_random(struct sampler *sampler)
{
    uint64_t x = sampler->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return sampler->random = x;
}

static void begin(struct sampler *sampler)
{
    sampler->mean = 1;
    sampler->random = read_clock(CLOCK_MONOTONIC) | 1;
    sampler->clock_ns = measure_clock();
}

uint32_t sampler_draw(struct sampler *sampler)
{
    double now = clock_monotonic();

    if (sampler->mean == 0)
        begin(sampler);
    uint32_t weight = sampler->mean;
    if (now - sampler->drawn >= SAMPLER_PAUSE_SECONDS)
        sampler->mean = weight > 1 ? weight / 2 : 1;
    else if (weight < SAMPLER_MEAN_MAX)
        sampler->mean = weight * 2;
    sampler->drawn = now;
    sampler->left = 1 + (uint32_t)(next_random(sampler) % (2 * sampler->mean - 1));
    return weight;
}

static void add_cpu(const struct ledger *ledger, uint64_t now)
{
    uint64_t took = now - ledger->since_ns;

    if (ledger->current != NULL && took > ledger->clock_ns)
        series_add(&ledger->current->cpu_ns, (took - ledger->clock_ns) * ledger->weight);
}

void ledger_lap(struct ledger *ledger, struct plugin_cost *next, uint32_t calls)
{
    uint64_t now = read_clock(CLOCK_THREAD_CPUTIME_ID);

    add_cpu(ledger, now);
    series_add(&next->measured, (uint64_t)calls * ledger->weight);
    ledger->since_ns = now;
}

static void add_wait(struct ledger *ledger)
{
    uint64_t waited = read_clock(CLOCK_MONOTONIC) - ledger->waiting_ns;

    if (ledger->current != NULL)
        series_add(&ledger->current->wait_ns, waited * ledger->weight);
    ledger->waiting_ns = 0;
}

void ledger_resume(struct ledger *ledger, bool is_part)
{
    if (!is_part && ledger->waiting_ns != 0)
        add_wait(ledger);
    if (ledger->running++ == 0)
        ledger->since_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void ledger_pause(struct ledger *ledger, bool is_part, bool is_waiting)
{
    assert(ledger->running > 0);
    if (--ledger->running == 0)
        add_cpu(ledger, read_clock(CLOCK_THREAD_CPUTIME_ID));
    if (!is_part && is_waiting)
        ledger->waiting_ns = read_clock(CLOCK_MONOTONIC);
}

void ledger_cancel(struct ledger *ledger)
{
    if (ledger->waiting_ns != 0)
        add_wait(ledger);
}
