/*
 * torn_head — scans a head whole, cut in two at each byte, and byte by byte, which leaves no line
 * to the scanner's short ways: the verdict is the same.
 */
#pragma once

#include <assert.h>

#include "exact_text.h"
#include "http/h1_scanner.h"

static inline enum h1_scan torn_head_scan_piece(struct h1_scanner *scanner,
                                                const unsigned char *data, size_t size)
{
    bool begins = scanner->offset == 0;
    char *copy = exact_text_copy(data, size);
    struct h1_lines lines;
    enum h1_scan verdict = h1_scanner_scan_lines(scanner, slice_of(copy, size), &lines);
    assert(begins || lines.head == NULL);
    free(copy);
    return verdict;
}

static inline void torn_head_check_same(const struct h1_scanner *torn, enum h1_scan again,
                                        const struct h1_scanner *whole, enum h1_scan verdict)
{
    assert(again == verdict && torn->fault == whole->fault);
    assert(torn->fault_offset == whole->fault_offset);
    assert(verdict == H1_SCAN_REFUSED || torn->offset == whole->offset);
}

/* `begun`: a scanner that has seen nothing yet, which stays so. `*whole`: where it is at the end.
 */
static inline enum h1_scan torn_head_scan(const struct h1_scanner *begun, const unsigned char *data,
                                          size_t size, struct h1_scanner *whole)
{
    *whole = *begun;
    enum h1_scan verdict = torn_head_scan_piece(whole, data, size);

    for (size_t cut = 0; cut < size; cut++) {
        struct h1_scanner torn = *begun;
        enum h1_scan again = torn_head_scan_piece(&torn, data, cut);
        if (again == H1_SCAN_MORE)
            again = torn_head_scan_piece(&torn, data, size);
        torn_head_check_same(&torn, again, whole, verdict);
    }
    struct h1_scanner torn = *begun;
    enum h1_scan again = H1_SCAN_MORE;
    for (size_t length = 1; length <= size && again == H1_SCAN_MORE; length++)
        again = torn_head_scan_piece(&torn, data, length);
    torn_head_check_same(&torn, again, whole, verdict);
    return verdict;
}
