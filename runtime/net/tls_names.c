/*
 * tls_names — a sorted array of host names.
 */
#include "net/tls_names.h"

#include <stdlib.h>

#include "base/mem.h"

static bool is_askable(struct slice name)
{
    if (name.length == 0 || name.length > TLS_NAME_BYTES_MAX)
        return false;
    if (memchr(name.start, '\0', name.length) != NULL)
        return false;

    struct slice rest = slice_starts_with(name, SLICE("*.")) ? slice_after(name, 2) : name;
    return rest.length > 0 && slice_find(rest, '*') == rest.length;
}

/* Lower case and terminated; `name` is at most TLS_NAME_BYTES_MAX long. */
static void copy_lower(char text[TLS_NAME_BYTES_MAX + 1], struct slice name)
{
    for (size_t i = 0; i < name.length; i++)
        text[i] = slice_lower(name.start[i]);
    text[name.length] = '\0';
}

void tls_names_add(struct tls_names *names, struct slice name, size_t certificate)
{
    char text[TLS_NAME_BYTES_MAX + 1];

    if (!is_askable(name))
        return;
    if (names->count == names->capacity) {
        names->capacity = names->capacity > 0 ? 2 * names->capacity : 4;
        names->names = mem_resize(names->names, names->capacity * sizeof(*names->names));
    }
    copy_lower(text, name);
    names->names[names->count++] =
        (struct tls_name){.name = mem_string(text), .certificate = certificate};
}

static int compare(const void *one, const void *other)
{
    const struct tls_name *a = one, *b = other;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order
                      : (a->certificate > b->certificate) - (a->certificate < b->certificate);
}

void tls_names_sort(struct tls_names *names)
{
    if (names->count > 0)
        qsort(names->names, names->count, sizeof(*names->names), compare);
}

/* The first of equal names. */
static bool find(const struct tls_names *names, const char *name, size_t *certificate)
{
    size_t low = 0, high = names->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->names[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == names->count || strcmp(names->names[low].name, name) != 0)
        return false;
    *certificate = names->names[low].certificate;
    return true;
}

bool tls_names_find(const struct tls_names *names, struct slice name, size_t *certificate)
{
    char text[TLS_NAME_BYTES_MAX + 1];

    if (!is_askable(name) || name.start[0] == '*')
        return false;
    copy_lower(text, name);
    if (find(names, text, certificate))
        return true;

    size_t dot = slice_find(name, '.');
    if (dot == 0 || dot == name.length)
        return false;
    text[dot - 1] = '*';
    return find(names, text + dot - 1, certificate);
}

void tls_names_clear(struct tls_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i].name);
    free(names->names);
    *names = (struct tls_names){0};
}
