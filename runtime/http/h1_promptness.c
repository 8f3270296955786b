/*
 * h1_promptness — a share that follows the last few connections.
 */
#include "http/h1_promptness.h"

#include "base/mem.h"
#include "net/loop.h"

/* How much one connection counts. */
#define WEIGHT 0.0625F

void h1_promptness_init(struct h1_promptness *promptness)
{
    *promptness = (struct h1_promptness){.share = 1};
}

static void *create(void)
{
    struct h1_promptness *promptness = mem_alloc(sizeof(*promptness));
    h1_promptness_init(promptness);
    return promptness;
}

struct h1_promptness *h1_promptness_of(struct loop *loop)
{
    static const struct loop_kind KIND = {create, free};
    return loop_keep(loop, &KIND);
}

bool h1_promptness_expected(struct h1_promptness *promptness)
{
    if (promptness->share >= (float)H1_PROMPTNESS_ENOUGH)
        return true;
    promptness->skipped = (promptness->skipped + 1) % H1_PROMPTNESS_SAMPLED;
    return promptness->skipped == 0;
}

void h1_promptness_note(struct h1_promptness *promptness, bool was_there)
{
    promptness->share += WEIGHT * ((was_there ? 1.0F : 0.0F) - promptness->share);
}
