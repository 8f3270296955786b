/*
 * draft — collecting what Lua says of an object; the moon_build_ functions.
 */
#include "bridge/draft.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "bridge/exports.h"

_Static_assert((int)MOON_BUILD_CACHE_TAGS < DRAFT_TEXTS_MAX, "a text has its place");
_Static_assert((int)MOON_BUILD_CACHE_NUMBERS <= DRAFT_NUMBERS_MAX, "a number has its place");

struct draft *draft_create(void)
{
    struct draft *draft = mem_zeroed(sizeof(*draft));
    arena_init(&draft->scratch);
    arena_init(&draft->lists);
    arena_init(&draft->paths);
    draft->object = -1;
    return draft;
}

void draft_destroy(struct draft **draft)
{
    if ((*draft)->explain != NULL)
        explain_clear((*draft)->explain);
    arena_clear(&(*draft)->scratch);
    arena_clear(&(*draft)->lists);
    arena_clear(&(*draft)->paths);
    free((*draft)->entries);
    free(*draft);
    *draft = NULL;
}

struct slice draft_text(const struct draft *draft, int which, struct slice missing)
{
    return draft->texts[which].start != NULL ? draft->texts[which] : missing;
}

double draft_number(const struct draft *draft, int which, double missing)
{
    return draft->has_number[which] ? draft->numbers[which] : missing;
}

uint64_t draft_count(const struct draft *draft, int which, uint64_t missing)
{
    double number = draft_number(draft, which, -1);
    return number < 0 ? missing : number > 9e15 ? (uint64_t)9e15 : (uint64_t)number;
}

struct slice *draft_list(struct draft *draft, int which, size_t *count)
{
    struct slice *list = arena_zeroed(&draft->lists, (draft->entry_count + 1) * sizeof(*list));
    *count = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        if (draft->entries[i].which == which)
            list[(*count)++] = draft->entries[i].value;
    }
    return list;
}

static void add_entry(struct draft *draft, const struct draft_entry *entry)
{
    assert(draft->entry_count < DRAFT_ENTRIES_MAX);
    if (draft->entry_count == draft->entry_capacity) {
        draft->entry_capacity = draft->entry_capacity == 0 ? 16 : draft->entry_capacity * 2;
        draft->entries =
            mem_resize(draft->entries, draft->entry_capacity * sizeof(*draft->entries));
    }
    draft->entries[draft->entry_count++] = *entry;
}

/* Copied, and never without a start: what is empty was given all the same. */
static struct slice copy(struct draft *draft, const char *start, size_t length)
{
    if (start == NULL)
        return SLICE_NONE;
    return length == 0 ? SLICE("") : arena_copy(&draft->scratch, slice_of(start, length));
}

static bool is_list(int which)
{
    return which == MOON_BUILD_TRUSTED_PROXY || which == MOON_BUILD_TARGET ||
           which == MOON_BUILD_PROXY_SOURCE || which == MOON_BUILD_GROUP ||
           which == MOON_BUILD_ROLE || which == MOON_BUILD_SCOPE || which == MOON_BUILD_HOST ||
           which == MOON_BUILD_METHOD ||
           (which >= MOON_BUILD_CACHE_STATUS && which <= MOON_BUILD_CACHE_QUERY_NAME);
}

void moon_build_digest(const char *content, size_t length, char *digest)
{
    static const struct hash_key KEYS[] = {{0x6d6f6f6e67617465, 0x6f6e65206f662032},
                                           {0x6d6f6f6e67617465, 0x74776f206f662032}};
    struct slice slice = exports_slice(content, length);
    uint64_t halves[] = {hash_slice(&KEYS[0], slice), hash_slice(&KEYS[1], slice)};

    memcpy(digest, halves, sizeof(halves));
}

void moon_build_expect(struct generation *generation, double routes)
{
    assert(generation->draft != NULL && routes >= 0);
    draft_expect_routes(generation,
                        routes > GENERATION_ROUTES_MAX ? GENERATION_ROUTES_MAX : (size_t)routes);
}

void moon_build_begin(struct generation *generation, int object)
{
    struct draft *draft = generation->draft;
    assert(draft != NULL);
    arena_reset(&draft->scratch);
    draft->object = draft->last_object = object;
    draft->entry_count = 0;
    memset(draft->texts, 0, sizeof(draft->texts));
    memset(draft->has_number, 0, sizeof(draft->has_number));
}

void moon_build_text(struct generation *generation, int which, const char *text, size_t length)
{
    struct draft *draft = generation->draft;
    assert(draft != NULL && which >= 0 && which < DRAFT_TEXTS_MAX);
    struct slice copied = copy(draft, text, length);
    if (is_list(which))
        add_entry(draft, &(struct draft_entry){.which = which, .value = copied, .weight = 1});
    else
        draft->texts[which] = copied;
}

/* Scalars, as the FFI does not compile structs by value. */
/* NOLINTNEXTLINE(readability-function-size) */
void moon_build_pair(struct generation *generation, int which, const char *name, size_t name_length,
                     const char *value, size_t value_length)
{
    struct draft *draft = generation->draft;
    assert(draft != NULL);
    struct draft_entry entry = {.which = DRAFT_PAIR + which,
                                .name = copy(draft, name, name_length),
                                .value = copy(draft, value, value_length)};
    add_entry(draft, &entry);
}

static void set_target_number(struct draft *draft, int which, double value)
{
    assert(draft->entry_count > 0);
    struct draft_entry *target = &draft->entries[draft->entry_count - 1];
    assert(target->which == MOON_BUILD_TARGET);
    double *numbers[] = {
        [0] = &target->port,
        [MOON_BUILD_TARGET_WEIGHT - MOON_BUILD_TARGET_PORT] = &target->weight,
        [MOON_BUILD_TARGET_PRIORITY - MOON_BUILD_TARGET_PORT] = &target->priority,
        [MOON_BUILD_TARGET_BACKUP - MOON_BUILD_TARGET_PORT] = &target->is_backup,
        [MOON_BUILD_TARGET_REMOTE - MOON_BUILD_TARGET_PORT] = &target->is_remote,
        [MOON_BUILD_TARGET_TLS - MOON_BUILD_TARGET_PORT] = &target->is_tls,
    };
    *numbers[which - MOON_BUILD_TARGET_PORT] = value;
}

static void set_expiry(struct draft *draft, double value)
{
    assert(draft->entry_count > 0);
    struct draft_entry *credential = &draft->entries[draft->entry_count - 1];
    assert(credential->which == DRAFT_PAIR + MOON_BUILD_CREDENTIAL);
    credential->expires = value;
}

static void set_status_ttl(struct draft *draft, double value)
{
    assert(draft->entry_count > 0);
    struct draft_entry *status = &draft->entries[draft->entry_count - 1];
    assert(status->which == MOON_BUILD_CACHE_STATUS);
    status->ttl = value;
}

void moon_build_number(struct generation *generation, int which, double value)
{
    struct draft *draft = generation->draft;
    assert(draft != NULL && which >= 0 && which < DRAFT_NUMBERS_MAX);
    if (which >= MOON_BUILD_TARGET_PORT && which <= MOON_BUILD_TARGET_TLS) {
        set_target_number(draft, which, value);
        return;
    }
    if (which == MOON_BUILD_CREDENTIAL_EXPIRES) {
        set_expiry(draft, value);
        return;
    }
    if (which == MOON_BUILD_CACHE_STATUS_TTL) {
        set_status_ttl(draft, value);
        return;
    }
    draft->numbers[which] = value;
    draft->has_number[which] = true;
}

uint32_t moon_build_chain(struct generation *generation, const struct slice *plugins,
                          uint32_t count)
{
    return accounts_add_chain(&generation->accounts, &generation->arena, plugins, count);
}

void moon_build_use(struct generation *generation, int phases, uint32_t chain)
{
    generation->use_phases = (unsigned)phases;
    generation->accounts.use = accounts_reserve(&generation->accounts, chain);
}

double moon_build_finish(struct generation *generation, struct slice *error)
{
    static double (*const FINISH[])(struct generation *) = {
        [MOON_OBJECT_SETTINGS] = draft_finish_settings,
        [MOON_OBJECT_CLUSTER] = draft_finish_cluster,
        [MOON_OBJECT_LISTENER] = draft_finish_listener,
        [MOON_OBJECT_CONSUMER] = draft_finish_consumer,
        [MOON_OBJECT_CACHE_POLICY] = draft_finish_cache_policy,
        [MOON_OBJECT_ROUTE] = draft_finish_route,
    };
    struct draft *draft = generation->draft;
    assert(draft != NULL && draft->object >= 0 && draft->object < (int)ARRAY_LENGTH(FINISH));
    draft->error = SLICE("");
    arena_reset(&draft->lists);
    double index = FINISH[draft->object](generation);
    draft->object = -1;
    *error = draft->error;
    return index;
}

/* NOLINTNEXTLINE(readability-function-size) */
double moon_build_like_last(struct generation *generation, const char *name, size_t name_length,
                            const char *path, size_t path_length, const char *source,
                            size_t source_length, struct slice *error)
{
    struct draft *draft = generation->draft;

    assert(draft != NULL && draft->object == -1 && draft->last_object == MOON_OBJECT_ROUTE);
    draft->object = MOON_OBJECT_ROUTE;
    draft->texts[MOON_BUILD_ROUTE_NAME] = slice_of(name, name_length);
    draft->texts[MOON_BUILD_PATH] = slice_of(path, path_length);
    draft->texts[MOON_BUILD_SOURCE] = slice_of(source, source_length);
    return moon_build_finish(generation, error);
}
