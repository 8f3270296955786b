/*
 * draft_consumer — a consumer of the configuration with its keys.
 */
#include "bridge/draft.h"
#include "bridge/exports.h"

static const struct slice *tags(struct draft *draft, uint32_t *count)
{
    struct slice *list =
        arena_zeroed(&draft->scratch, (2 * draft->entry_count + 1) * sizeof(*list));
    *count = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        const struct draft_entry *entry = &draft->entries[i];
        if (entry->which != DRAFT_PAIR + MOON_BUILD_TAG)
            continue;
        list[2 * (size_t)*count] = entry->name;
        list[2 * (size_t)*count + 1] = entry->value;
        (*count)++;
    }
    return list;
}

double draft_finish_consumer(struct generation *generation)
{
    struct draft *draft = generation->draft;
    struct consumer consumer = {
        .name = draft_text(draft, MOON_BUILD_CONSUMER_NAME, SLICE("")),
    };
    size_t key_count = 0, group_count = 0;

    consumer.groups = draft_list(draft, MOON_BUILD_GROUP, &group_count);
    consumer.group_count = (uint32_t)group_count;
    consumer.tags = tags(draft, &consumer.tag_count);
    int index = consumers_add(generation->consumers, &consumer);
    if (index == CONSUMERS_MISSING) {
        draft->error = SLICE("another consumer has this name");
        return -1;
    }
    const struct slice *keys = draft_list(draft, MOON_BUILD_KEY, &key_count);
    for (size_t i = 0; i < key_count; i++) {
        if (consumers_add_key(generation->consumers, index, keys[i]))
            continue;
        draft->error = keys[i].length == 0 ? SLICE("a key is empty")
                                           : SLICE("a key belongs to another consumer as well");
        return -1;
    }
    return index;
}
