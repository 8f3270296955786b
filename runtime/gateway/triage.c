/*
 * triage — counts of requests by criticality, and the edge between those refused and the others.
 */
#include "gateway/triage.h"

#include <assert.h>
#include <string.h>

/* What has been counted is of about so long, or of so many requests. */
#define SEEN_SECONDS 1.0
#define SEEN_MAX     4096

#define ALL 4294967295.0 /* of edge_share */

void triage_init(struct triage *triage, uint64_t seed)
{
    *triage = (struct triage){.random = seed};
}

uint32_t triage_random(struct triage *triage)
{
    triage->random = triage->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(triage->random >> 32);
}

void triage_forget(struct triage *triage, double now)
{
    memset(triage->seen, 0, sizeof(triage->seen));
    triage->total = 0;
    triage->halved = now;
}

static void halve(struct triage *triage, double now)
{
    triage->total = 0;
    for (unsigned i = 0; i < TRIAGE_CRITICAL; i++) {
        triage->seen[i] /= 2;
        triage->total += triage->seen[i];
    }
    triage->halved = now;
}

/* Of all that is not critical, with nothing counted yet, whatever its criticality. */
static void set_edge(struct triage *triage, double share)
{
    double wanted = share * triage->total, below = 0;
    unsigned edge = 1;

    while (edge < TRIAGE_CRITICAL - 1 && below + triage->seen[edge] < wanted)
        below += triage->seen[edge++];
    double on_it = triage->seen[edge];
    double part = on_it > 0 ? (wanted - below) / on_it : share;
    triage->edge = edge;
    triage->edge_share = (uint32_t)((part < 1 ? part : 1) * ALL);
}

void triage_set(struct triage *triage, double share, double now)
{
    assert(share >= 0 && share <= 1);
    if (triage->total > SEEN_MAX || now - triage->halved > SEEN_SECONDS)
        halve(triage, now);
    if (share == 0)
        triage->edge = 0;
    else if (share == 1)
        triage->edge = TRIAGE_CRITICAL;
    else
        set_edge(triage, share);
}

bool triage_refuses(struct triage *triage, unsigned criticality)
{
    assert(criticality > 0 && criticality <= TRIAGE_CRITICAL);
    if (criticality == TRIAGE_CRITICAL)
        return false;
    triage->seen[criticality]++;
    triage->total++;
    if (criticality != triage->edge)
        return criticality < triage->edge;
    return triage_random(triage) < triage->edge_share;
}
