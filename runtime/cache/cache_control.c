/*
 * cache_control — directives one after the other, whatever stands between them.
 */
#include "cache/cache_control.h"

#include "http/octet.h"
#include "http/structured_field.h"

/* What is malformed or contradicts itself is none at all. */
#define NO_SECONDS 0
/* Of one directive; with more it is as if it had none, which forbids more. */
#define NAMES_BYTES_MAX 1024

/* One directive: its value is without quotes, `value.start` NULL where there is none. */
struct directive {
    struct slice name, value;
    bool is_malformed;
};

enum directive_kind { KIND_FLAG, KIND_NAMES, KIND_SECONDS };

struct known_directive {
    struct slice name;
    enum cache_directive bit;
    enum directive_kind kind;
    size_t at; /* of its seconds or names in struct cache_control */
};

#define FLAG(text, bit)                             \
    {                                               \
        {text, sizeof(text) - 1}, bit, KIND_FLAG, 0 \
    }
#define NAMES(text, bit, member)                                                          \
    {                                                                                     \
        {text, sizeof(text) - 1}, bit, KIND_NAMES, offsetof(struct cache_control, member) \
    }
#define SECONDS(text, bit, member)                                                          \
    {                                                                                       \
        {text, sizeof(text) - 1}, bit, KIND_SECONDS, offsetof(struct cache_control, member) \
    }

/* clang-format off */
static const struct known_directive KNOWN[] = {
    SECONDS("max-age", CACHE_MAX_AGE, max_age),
    SECONDS("s-maxage", CACHE_S_MAXAGE, s_maxage),
    NAMES("no-cache", CACHE_NO_CACHE, no_cache_names),
    NAMES("private", CACHE_PRIVATE, private_names),
    FLAG("no-store", CACHE_NO_STORE),
    FLAG("public", CACHE_PUBLIC),
    FLAG("must-revalidate", CACHE_MUST_REVALIDATE),
    FLAG("proxy-revalidate", CACHE_PROXY_REVALIDATE),
    FLAG("must-understand", CACHE_MUST_UNDERSTAND),
    FLAG("no-transform", CACHE_NO_TRANSFORM),
    FLAG("immutable", CACHE_IMMUTABLE),
    FLAG("only-if-cached", CACHE_ONLY_IF_CACHED),
    SECONDS("min-fresh", CACHE_MIN_FRESH, min_fresh),
    SECONDS("max-stale", CACHE_MAX_STALE, max_stale),
    SECONDS("stale-while-revalidate", CACHE_STALE_WHILE_REVALIDATE, stale_while_revalidate),
    SECONDS("stale-if-error", CACHE_STALE_IF_ERROR, stale_if_error),
};
/* clang-format on */

static const struct known_directive *find_known(struct slice name)
{
    for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++) {
        if (slice_equals_ignoring_case(KNOWN[i].name, name))
            return &KNOWN[i];
    }
    return NULL;
}

/* A second value that is another one leaves none. */
static void set_seconds(struct cache_control *control, const struct known_directive *known,
                        int64_t seconds)
{
    int64_t *member = (int64_t *)(void *)((char *)control + known->at);

    if (cache_control_has(control, known->bit) && *member != seconds)
        seconds = NO_SECONDS;
    control->directives |= known->bit;
    *member = seconds;
}

/* With names the directive is about those fields alone, unless it is there without names too. */
static void set_names(struct cache_control *control, const struct known_directive *known,
                      struct slice names, struct arena *arena)
{
    struct slice *member = (struct slice *)(void *)((char *)control + known->at);

    if (slice_trimmed(names).length == 0 || member->length + names.length > NAMES_BYTES_MAX) {
        control->directives |= known->bit;
        return;
    }
    if (member->start != NULL)
        names = arena_join(arena, arena_join(arena, *member, SLICE(",")), names);
    *member = names;
}

/* Digits; beyond what counts they are that. False: no delta-seconds. */
static bool read_seconds(struct slice text, int64_t *seconds)
{
    int64_t sum = 0;

    if (text.length == 0)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (!octet_is(text.start[i], OCTET_DIGIT))
            return false;
        sum = sum * 10 + (text.start[i] - '0');
        if (sum > CACHE_SECONDS_MAX)
            sum = CACHE_SECONDS_MAX;
    }
    *seconds = sum;
    return true;
}

static void apply_seconds(struct cache_control *control, const struct known_directive *known,
                          const struct directive *directive)
{
    int64_t seconds = NO_SECONDS;

    if (known->bit == CACHE_MAX_STALE && directive->value.start == NULL && !directive->is_malformed)
        seconds = CACHE_SECONDS_MAX;
    else if (directive->is_malformed || !read_seconds(directive->value, &seconds))
        seconds = NO_SECONDS;
    set_seconds(control, known, seconds);
}

static void apply(struct cache_control *control, const struct directive *directive,
                  struct arena *arena)
{
    const struct known_directive *known = find_known(directive->name);

    if (known == NULL)
        return;
    switch (known->kind) {
    case KIND_FLAG:
        control->directives |= known->bit;
        return;
    case KIND_NAMES:
        set_names(control, known, directive->value, arena);
        return;
    case KIND_SECONDS:
        apply_seconds(control, known, directive);
        return;
    }
}

/* Offset behind a quoted string that begins at 0; the length when it has no end. */
static size_t quoted_end(struct slice text)
{
    for (size_t i = 1; i < text.length; i++) {
        if (text.start[i] == '\\')
            i++;
        else if (text.start[i] == '"')
            return i + 1;
    }
    return text.length;
}

/* Offset of the next comma that stands in no quoted string, or the length. */
static size_t next_comma(struct slice text)
{
    size_t i = 0;

    while (i < text.length && text.start[i] != ',')
        i += text.start[i] == '"' ? quoted_end(slice_after(text, i)) : 1;
    return i;
}

static size_t token_length(struct slice text)
{
    size_t i = 0;
    while (i < text.length && octet_is(text.start[i], OCTET_TOKEN))
        i++;
    return i;
}

/* Blanks around "=" make a directive malformed, not another one: it is there, without a value. */
static void read_directive(struct slice text, struct directive *directive)
{
    size_t length = token_length(text);

    *directive = (struct directive){.name = slice_of(text.start, length), .value = SLICE_NONE};
    text = slice_after(text, length);
    if (text.length == 0)
        return;
    if (text.start[0] != '=') {
        directive->is_malformed = true;
        return;
    }
    text = slice_after(text, 1);
    directive->value = text;
    if (text.length == 0 || text.start[0] != '"')
        return;
    directive->is_malformed =
        text.length < 2 || quoted_end(text) != text.length || text.start[text.length - 1] != '"';
    directive->value = slice_of(text.start + 1, text.length - (text.length > 1 ? 2 : 1));
}

static void read_line(struct cache_control *control, struct slice line, struct arena *arena)
{
    struct directive directive;

    while (line.length > 0) {
        size_t comma = next_comma(line);
        read_directive(slice_trimmed(slice_of(line.start, comma)), &directive);
        apply(control, &directive, arena);
        line = slice_after(line, comma < line.length ? comma + 1 : comma);
    }
}

void cache_control_read(struct cache_control *control, const struct headers *headers,
                        struct arena *arena)
{
    const struct header *header = headers_find_known(headers, HEADER_CACHE_CONTROL);

    *control = (struct cache_control){0};
    if (header != NULL)
        control->field = header->name;
    for (; header != NULL; header = headers_find_next(headers, header))
        read_line(control, header->value, arena);
}

/* The names of a member whose value is a string or a list of tokens and strings; too many: none. */
static struct slice names_of(const struct structured_member *member, struct arena *arena)
{
    if (!member->is_inner_list)
        return member->item.value.text;
    char *names = arena_alloc(arena, NAMES_BYTES_MAX);
    size_t length = 0;
    for (uint32_t i = 0; i < member->item_count; i++) {
        struct slice name = member->items[i].value.text;
        if (name.length >= NAMES_BYTES_MAX - length)
            return SLICE("");
        if (name.length > 0)
            memcpy(names + length, name.start, name.length);
        length += name.length;
        names[length++] = ',';
    }
    return slice_of(names, length);
}

static void apply_member(struct cache_control *control, const struct structured_member *member,
                         struct arena *arena)
{
    const struct known_directive *known = find_known(member->key);
    const struct structured_value *value = &member->item.value;
    bool is_boolean = !member->is_inner_list && value->type == STRUCTURED_BOOLEAN;

    if (known == NULL || (is_boolean && value->number == 0))
        return;
    switch (known->kind) {
    case KIND_FLAG:
        control->directives |= known->bit;
        return;
    case KIND_NAMES:
        set_names(control, known, is_boolean ? SLICE("") : names_of(member, arena), arena);
        return;
    case KIND_SECONDS:
        if (member->is_inner_list || value->type != STRUCTURED_INTEGER || value->number < 0)
            set_seconds(control, known, NO_SECONDS);
        else
            set_seconds(control, known,
                        value->number < CACHE_SECONDS_MAX ? value->number : CACHE_SECONDS_MAX);
        return;
    }
}

/* RFC 9213, 2.1: parameters do not count. */
static bool read_targeted(struct cache_control *control, const struct headers *headers,
                          struct header_key key, struct arena *arena)
{
    struct slice text = headers_joined_key(headers, arena, key);
    struct structured_field field;

    if (text.start == NULL || !structured_field_parse_dictionary(text, arena, &field) ||
        field.count == 0)
        return false;
    *control = (struct cache_control){.field = key.name};
    for (uint32_t i = 0; i < field.count; i++)
        apply_member(control, &field.members[i], arena);
    return true;
}

void cache_control_read_targeted(struct cache_control *control, const struct headers *headers,
                                 const struct header_key *targeted, size_t targeted_count,
                                 struct arena *arena)
{
    for (size_t i = 0; i < targeted_count; i++) {
        if (read_targeted(control, headers, targeted[i], arena))
            return;
    }
    cache_control_read(control, headers, arena);
}
