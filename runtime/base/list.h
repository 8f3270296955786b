/*
 * list — a circular doubly linked list whose links live inside its elements.
 *
 * The head is a `struct list` too. An element that is in no list points at
 * itself, so removing it twice is harmless.
 */
#pragma once

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *list)
{
    list->next = list->prev = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_insert(struct list *prev, struct list *element)
{
    element->prev = prev;
    element->next = prev->next;
    prev->next->prev = element;
    prev->next = element;
}

static inline void list_push_front(struct list *list, struct list *element)
{
    list_insert(list, element);
}

static inline void list_push_back(struct list *list, struct list *element)
{
    list_insert(list->prev, element);
}

static inline void list_remove(struct list *element)
{
    element->prev->next = element->next;
    element->next->prev = element->prev;
    list_init(element);
}
