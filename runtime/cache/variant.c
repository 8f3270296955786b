/*
 * variant — names sorted once, when an answer is stored; values made normal at each look.
 */
#include "cache/variant.h"

#include "base/mem.h"
#include "cache/accept_list.h"
#include "crypto/sha256.h"

/* Of Vary, all its lines together. */
#define NAMES_BYTES_MAX 1024

/* ---- names ---- */

static struct slice lowered(struct slice text, struct arena *arena)
{
    char *lower = arena_alloc(arena, text.length);
    for (size_t i = 0; i < text.length; i++)
        lower[i] = slice_lower(text.start[i]);
    return slice_of(lower, text.length);
}

static int compare(struct slice one, struct slice other)
{
    size_t shorter = one.length < other.length ? one.length : other.length;
    int order = memcmp(one.start, other.start, shorter);

    return order != 0 ? order : (one.length > other.length) - (one.length < other.length);
}

/* Names in their order; one that is there already is not added. False: too many. */
static bool insert(struct slice *names, size_t *count, struct slice name)
{
    size_t at = *count;

    while (at > 0 && compare(names[at - 1], name) > 0)
        at--;
    if (at > 0 && slice_equals(names[at - 1], name))
        return true;
    if (*count == CACHE_POLICY_VARY_NAMES_MAX)
        return false;
    memmove(&names[at + 1], &names[at], (*count - at) * sizeof(*names));
    names[at] = name;
    ++*count;
    return true;
}

static struct slice join(const struct slice *names, size_t count, struct arena *arena)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += names[i].length + 1;
    char *text = arena_alloc(arena, bytes), *at = text;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ',';
        memcpy(at, names[i].start, names[i].length);
        at += names[i].length;
    }
    return slice_of(text, (size_t)(at - text));
}

/* What the gateway itself says of the client's address upstream: requests do not have it here. */
static bool is_of_address(struct slice name)
{
    return (HEADERS_BIT(header_id_of(name)) &
            (HEADERS_BIT(HEADER_X_FORWARDED_FOR) | HEADERS_BIT(HEADER_X_REAL_IP) |
             HEADERS_BIT(HEADER_FORWARDED))) != 0;
}

/* False for "*", for what no field can be named, for the client's address, and for too many. */
static bool read_names(struct slice line, uint64_t without, struct arena *arena,
                       struct slice *names, size_t *count)
{
    struct slice element;

    while (slice_next_element(&line, &element)) {
        if (slice_equals(element, SLICE("*")) || !headers_is_name(element) ||
            is_of_address(element))
            return false;
        if ((without & HEADERS_BIT(header_id_of(element))) == 0 &&
            !insert(names, count, lowered(element, arena)))
            return false;
    }
    return true;
}

enum variant_result variant_names(const struct headers *response, uint64_t without,
                                  struct arena *arena, struct slice *names)
{
    const struct header *header = headers_find_known(response, HEADER_VARY);
    struct slice sorted[CACHE_POLICY_VARY_NAMES_MAX];
    size_t count = 0, bytes = 0;

    *names = SLICE("");
    for (; header != NULL; header = headers_find_next(response, header)) {
        bytes += header->value.length;
        if (bytes > NAMES_BYTES_MAX || !read_names(header->value, without, arena, sorted, &count))
            return VARIANT_ALWAYS;
    }
    if (count == 0)
        return VARIANT_NONE;
    *names = join(sorted, count, arena);
    return VARIANT_BY_FIELDS;
}

/* ---- values ---- */

/* Blanks around commas mean nothing in a list, but they do within quotes. */
static struct slice squeezed(struct slice value, struct arena *arena)
{
    char *text = arena_alloc(arena, value.length + 1), *at = text;
    struct slice rest = value;

    if (slice_find(value, '"') < value.length)
        return value;
    while (rest.length > 0) {
        size_t comma = slice_find(rest, ',');
        struct slice element = slice_trimmed(slice_of(rest.start, comma));
        if (element.length > 0)
            memcpy(at, element.start, element.length);
        at += element.length;
        if (comma < rest.length)
            *at++ = ',';
        rest = slice_after(rest, comma < rest.length ? comma + 1 : comma);
    }
    return slice_of(text, (size_t)(at - text));
}

static bool is_preference(struct slice name)
{
    return slice_starts_with(name, SLICE("accept")) &&
           (name.length == 6 || slice_equals(name, SLICE("accept-encoding")) ||
            slice_equals(name, SLICE("accept-language")) ||
            slice_equals(name, SLICE("accept-charset")));
}

/* Fields that the gateway knows, but preferences, have syntaxes of their own. */
static struct slice normal_value(struct slice name, struct slice value, struct arena *arena)
{
    struct accept_list *list;

    if (!is_preference(name))
        return header_id_of(name) == HEADER_OTHER ? squeezed(value, arena) : value;
    list = arena_alloc(arena, sizeof(*list));
    return accept_list_read(value, arena, list) ? accept_list_text(list, arena)
                                                : squeezed(value, arena);
}

/* ---- keys ---- */

/* Values end with a byte that no field has; before them the names, as they may change. */
struct variant_text {
    struct slice items[CACHE_POLICY_VARY_NAMES_MAX * 2 + 1];
    size_t count, bytes;
};

static void add(struct variant_text *text, struct slice item)
{
    text->items[text->count++] = item;
    text->bytes += item.length + 1;
}

static struct slice finish(const struct variant_text *text, struct arena *arena)
{
    char *start = arena_alloc(arena, text->bytes), *at = start;

    for (size_t i = 0; i < text->count; i++) {
        if (text->items[i].length > 0)
            memcpy(at, text->items[i].start, text->items[i].length);
        at += text->items[i].length;
        *at++ = '\n';
    }
    if (text->bytes <= VARIANT_BYTES_MAX)
        return slice_of(start, text->bytes);
    char *digest = arena_alloc(arena, SHA256_BYTES);
    sha256_of(slice_of(start, text->bytes), digest);
    return slice_of(digest, SHA256_BYTES);
}

/* `language` start NULL: the request's own. */
static struct slice make(struct slice names, struct slice language, const struct headers *request,
                         struct arena *arena)
{
    struct variant_text text;
    struct slice rest = names, name;

    text.count = text.bytes = 0;
    add(&text, names);
    while (text.count + 1 < ARRAY_LENGTH(text.items) && slice_next_element(&rest, &name)) {
        struct slice value = headers_joined(request, arena, name);
        if (language.start != NULL && slice_equals(name, SLICE("accept-language")))
            value = language;
        add(&text, value.start != NULL ? SLICE("=") : SLICE(""));
        if (value.start != NULL)
            add(&text, normal_value(name, value, arena));
    }
    return finish(&text, arena);
}

struct slice variant_key(struct slice names, const struct headers *request, struct arena *arena)
{
    return make(names, SLICE_NONE, request, arena);
}

struct slice variant_key_of_language(struct slice names, struct slice language,
                                     const struct headers *request, struct arena *arena)
{
    if (!slice_list_has(names, SLICE("accept-language")))
        return SLICE_NONE;
    return make(names, language, request, arena);
}

struct slice variant_language(const struct headers *request, struct arena *arena)
{
    struct slice value = headers_joined(request, arena, SLICE("accept-language"));
    struct accept_list *list;

    if (value.start == NULL)
        return SLICE_NONE;
    list = arena_alloc(arena, sizeof(*list));
    return accept_list_read(value, arena, list) ? accept_list_first(list) : SLICE_NONE;
}
