/*
 * notice — a serial number for each text; its lowest bit is its slot.
 */
#include "shm/notice.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

#define LAYOUT 1
/* More than a writer can overtake one reader. */
#define READS_MAX 1000

struct slot {
    _Atomic uint64_t serial; /* of the text in it; 0 while it is being written */
    _Atomic uint32_t length;
    char text[NOTICE_BYTES_MAX];
};

struct notice_page {
    _Atomic uint64_t current; /* serial of the text that counts; 0: none yet */
    struct slot slots[2];
};

size_t notice_bytes(void)
{
    return (sizeof(struct notice_page) + SEGMENT_PAGE_BYTES - 1) / SEGMENT_PAGE_BYTES *
           SEGMENT_PAGE_BYTES;
}

bool notice_init(struct notice *notice, struct segment *segment, const char *name)
{
    *notice = (struct notice){.page = segment_allot(segment, name, LAYOUT, notice_bytes())};
    return notice->page != NULL;
}

void notice_clear(struct notice *notice)
{
    free(notice->copy);
    *notice = (struct notice){0};
}

bool notice_publish(const struct notice *notice, struct slice text)
{
    uint64_t serial = atomic_load(&notice->page->current) + 1;
    struct slot *slot = &notice->page->slots[serial & 1];

    if (text.length > NOTICE_BYTES_MAX)
        return false;
    atomic_store(&slot->serial, 0);
    atomic_thread_fence(memory_order_release);
    if (text.length > 0)
        memcpy(slot->text, text.start, text.length);
    atomic_store(&slot->length, (uint32_t)text.length);
    atomic_store(&slot->serial, serial);
    atomic_store(&notice->page->current, serial);
    return true;
}

/* False when it was written to meanwhile. */
static bool copy_slot(struct slot *slot, uint64_t serial, char *copy, size_t *length)
{
    if (atomic_load(&slot->serial) != serial)
        return false;
    *length = atomic_load(&slot->length);
    if (*length > NOTICE_BYTES_MAX)
        return false;
    memcpy(copy, slot->text, *length);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&slot->serial) == serial;
}

struct slice notice_read(struct notice *notice)
{
    size_t length = 0;

    if (notice->copy == NULL)
        notice->copy = mem_alloc(NOTICE_BYTES_MAX);
    for (int i = 0; i < READS_MAX; i++) {
        uint64_t serial = atomic_load(&notice->page->current);
        if (serial == 0)
            break;
        if (copy_slot(&notice->page->slots[serial & 1], serial, notice->copy, &length))
            return slice_of(notice->copy, length);
    }
    return slice_of("", 0);
}
