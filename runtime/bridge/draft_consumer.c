/*
 * draft_consumer — a consumer of the configuration with its credentials.
 */
#include "bridge/draft.h"
#include "bridge/exports.h"

/* Names and values in turn. */
static const struct slice *tags(struct draft *draft, size_t *count)
{
    struct slice *list =
        arena_zeroed(&draft->scratch, (2 * draft->entry_count + 1) * sizeof(*list));
    *count = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        const struct draft_entry *entry = &draft->entries[i];
        if (entry->which != DRAFT_PAIR + MOON_BUILD_TAG)
            continue;
        list[(*count)++] = entry->name;
        list[(*count)++] = entry->value;
    }
    return list;
}

/* The credential of that entry belongs to somebody already, or is none. */
static void refuse(struct draft *draft, struct slice name)
{
    draft->error = name.length == 0 ? SLICE("a credential is empty")
                                    : SLICE("a credential belongs to another consumer as well");
}

static bool add_credentials(struct generation *generation, int consumer)
{
    struct draft *draft = generation->draft;

    for (size_t i = 0; i < draft->entry_count; i++) {
        const struct draft_entry *entry = &draft->entries[i];
        struct credential credential = {.name = entry->name,
                                        .secret = entry->value,
                                        .expires = entry->expires,
                                        .consumer = consumer};
        if (entry->which != DRAFT_PAIR + MOON_BUILD_CREDENTIAL ||
            consumers_add_credential(generation->consumers, &credential))
            continue;
        refuse(draft, entry->name);
        return false;
    }
    return true;
}

double draft_finish_consumer(struct generation *generation)
{
    static const int LISTS[CONSUMER_TAGS] = {
        [CONSUMER_GROUPS] = MOON_BUILD_GROUP,
        [CONSUMER_ROLES] = MOON_BUILD_ROLE,
        [CONSUMER_SCOPES] = MOON_BUILD_SCOPE,
    };
    struct draft *draft = generation->draft;
    struct consumer consumer = {
        .name = draft_text(draft, MOON_BUILD_CONSUMER_NAME, SLICE("")),
        .plan = draft_text(draft, MOON_BUILD_PLAN, SLICE("")),
    };

    for (int i = 0; i < CONSUMER_TAGS; i++)
        consumer.lists[i] = draft_list(draft, LISTS[i], &consumer.list_counts[i]);
    consumer.lists[CONSUMER_TAGS] = tags(draft, &consumer.list_counts[CONSUMER_TAGS]);
    int index = consumers_add(generation->consumers, &consumer);
    if (index == CONSUMERS_MISSING) {
        draft->error = SLICE("another consumer has this name");
        return -1;
    }
    return add_credentials(generation, index) ? index : -1;
}
