/*
 * path_template — literal texts and numbers of captures, in turn.
 */
#include "gateway/path_template.h"

#include <assert.h>

#define NO_CAPTURE UINT32_MAX

/* A text, and the capture that follows it. */
struct part {
    uint32_t length;
    uint32_t capture; /* NO_CAPTURE after the last one */
};

/* One piece of memory, so that what a request touches lies side by side. */
struct path_template {
    size_t part_count;
    struct part parts[]; /* then their texts, one behind the other */
};

/* A name without the "*" that marks a rest: both are written either way. */
static struct slice bare_name(struct slice name)
{
    if (name.length > 0 && name.start[name.length - 1] == '*')
        name.length--;
    return name;
}

static uint32_t find_name(struct slice name, const struct slice *names, size_t name_count)
{
    for (uint32_t i = 0; i < name_count; i++) {
        if (slice_equals(bare_name(names[i]), bare_name(name)))
            return i;
    }
    return NO_CAPTURE;
}

static struct slice unknown_name(struct slice name, const struct slice *names, size_t name_count,
                                 struct arena *arena)
{
    struct slice known = name_count == 0 ? SLICE("no placeholders") : SLICE("");
    for (size_t i = 0; i < name_count; i++)
        known = arena_format(arena, "%.*s%s{%.*s}", SLICE_FORMAT(known), i == 0 ? "" : ", ",
                             SLICE_FORMAT(names[i]));
    return arena_format(arena, "unknown placeholder {%.*s}; the pattern has %.*s",
                        SLICE_FORMAT(name), SLICE_FORMAT(known));
}

/* Splits "text{name}" off the front of `*rest`, or the last text. False with a text in `error`. */
static bool next_part(struct slice *rest, struct slice *text, struct slice *name,
                      struct slice *error)
{
    size_t open = slice_find(*rest, '{'), stray = slice_find(*rest, '}');
    *text = slice_of(rest->start, open);
    *name = SLICE_NONE;
    if (stray < open) {
        *error = SLICE("\"}\" without a \"{\" before it");
        return false;
    }
    if (open == rest->length) {
        *rest = slice_after(*rest, open);
        return true;
    }
    if (stray == rest->length) {
        *error = SLICE("unclosed placeholder; expected {name}");
        return false;
    }
    *name = slice_of(rest->start + open + 1, stray - open - 1);
    *rest = slice_after(*rest, stray + 1);
    return true;
}

static const char *texts_of(const struct path_template *path_template)
{
    return (const char *)&path_template->parts[path_template->part_count];
}

static size_t append(char *path, size_t at, struct slice text)
{
    if (text.length > 0) {
        assert(text.start != NULL);
        memcpy(path + at, text.start, text.length);
    }
    return at + text.length;
}

static struct path_template *make_template(const struct part *parts, const struct slice *texts,
                                           size_t count, struct arena *arena)
{
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        bytes += texts[i].length;

    struct path_template *path_template =
        arena_alloc(arena, sizeof(*path_template) + count * sizeof(*parts) + bytes);
    path_template->part_count = count;
    for (size_t i = 0; i < count; i++) {
        path_template->parts[i] = parts[i];
        at = append((char *)texts_of(path_template), at, texts[i]);
    }
    return path_template;
}

static size_t bytes_of(const struct path_template *path_template)
{
    size_t bytes = sizeof(*path_template) + path_template->part_count * sizeof(struct part);
    for (size_t i = 0; i < path_template->part_count; i++)
        bytes += path_template->parts[i].length;
    return bytes;
}

bool path_template_equals(const struct path_template *one, const struct path_template *other)
{
    size_t bytes = bytes_of(one);
    return bytes == bytes_of(other) && memcmp(one, other, bytes) == 0;
}

const struct path_template *path_template_copy(const struct path_template *path_template,
                                               struct arena *arena)
{
    size_t bytes = bytes_of(path_template);
    return memcpy(arena_alloc(arena, bytes), path_template, bytes);
}

const struct path_template *path_template_compile(struct slice text, const struct slice *names,
                                                  size_t name_count, struct arena *arena,
                                                  struct slice *error)
{
    struct part parts[PATH_TEMPLATE_PARTS_MAX];
    struct slice texts[PATH_TEMPLATE_PARTS_MAX];
    size_t count = 0;

    while (text.length > 0) {
        struct slice name, before;
        struct part part = {.capture = NO_CAPTURE};
        if (!next_part(&text, &before, &name, error))
            return NULL;
        part.length = (uint32_t)before.length;
        if (name.start != NULL)
            part.capture = find_name(name, names, name_count);
        if (name.start != NULL && part.capture == NO_CAPTURE) {
            *error = unknown_name(name, names, name_count, arena);
            return NULL;
        }
        if (count == PATH_TEMPLATE_PARTS_MAX) {
            *error = arena_format(arena, "more than %d placeholders", PATH_TEMPLATE_PARTS_MAX);
            return NULL;
        }
        texts[count] = before;
        parts[count++] = part;
    }
    return make_template(parts, texts, count, arena);
}

static struct slice capture_of(const struct part *part, const struct path_capture *captures)
{
    return part->capture == NO_CAPTURE ? SLICE_NONE : captures[part->capture].value;
}

struct slice path_template_render(const struct path_template *path_template,
                                  const struct path_capture *captures, struct arena *arena)
{
    const char *texts = texts_of(path_template);
    size_t bytes = 0, at = 0;
    bool is_after_nothing = false;
    for (size_t i = 0; i < path_template->part_count; i++)
        bytes +=
            path_template->parts[i].length + capture_of(&path_template->parts[i], captures).length;

    char *path = arena_alloc(arena, bytes);
    for (size_t i = 0; i < path_template->part_count; i++) {
        struct slice text = slice_of(texts, path_template->parts[i].length);
        struct slice value = capture_of(&path_template->parts[i], captures);
        texts += text.length;
        /* An empty rest leaves no empty segment: "/{rest*}/x" is "/x", never "//x". */
        if (is_after_nothing && at > 0 && path[at - 1] == '/' && text.length > 0 &&
            text.start[0] == '/')
            text = slice_after(text, 1);
        at = append(path, append(path, at, text), value);
        is_after_nothing = value.length == 0;
    }
    assert(at <= bytes);
    return slice_of(path, at);
}
