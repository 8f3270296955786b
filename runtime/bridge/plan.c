/*
 * plan — which listeners of one plan are those of another.
 */
#include "bridge/plan.h"

#include <string.h>

void plan_match_listeners(const struct plan *current, const struct plan *next,
                          size_t places[PLAN_LISTENERS_MAX])
{
    bool is_taken[PLAN_LISTENERS_MAX] = {false};

    for (size_t i = 0; i < next->listener_count; i++) {
        places[i] = PLAN_LISTENER_NEW;
        for (size_t j = 0; j < current->listener_count && places[i] == PLAN_LISTENER_NEW; j++) {
            if (is_taken[j] ||
                strcmp(next->listeners[i].address, current->listeners[j].address) != 0)
                continue;
            is_taken[j] = true;
            places[i] = j;
        }
    }
}
