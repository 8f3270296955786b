/*
 * page_log — shared memory that is written page by page, and won back page by page.
 *
 * Each worker appends to an open page of its own, so appending needs no
 * agreement; a full page is sealed, and free again when the last record in it
 * was released. What a page holds is for its user to know; this knows how many
 * bytes of it are alive. All about a page is one 64-bit word (kind, lane,
 * generation, live bytes), and the generation in a record's spot makes a
 * release that comes too late one without effect.
 *
 * Repair: pages that a killed worker was writing or cleaning are sealed by
 * page_log_attach() of its successor in the lane. A worker killed before it
 * released a record leaves its bytes counted as alive: never too few, so no
 * page is given away with a record in it; a cleaning corrects it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records begin at multiples of it. */
#define PAGE_LOG_UNIT           16
#define PAGE_LOG_PAGE_BYTES_MIN 4096
#define PAGE_LOG_PAGE_BYTES_MAX 524288
#define PAGE_LOG_BYTES_MAX      ((1ULL << 28) * PAGE_LOG_UNIT)
#define PAGE_LOG_LANES_MAX      1024
#define PAGE_LOG_NONE           UINT32_MAX

/* This process's view. */
struct page_log {
    uint64_t *states; /* of each page */
    uint64_t *used;   /* bytes of each page that hold records, by whom has it open */
    char *memory;
    uint32_t pages, page_bytes;
    uint32_t reserve; /* free pages that only cleaning may take */
    uint32_t lane;
    uint32_t open, end; /* the page of this process, PAGE_LOG_NONE before the first, and its end */
};

/* Where a record is: a number of 60 bits that no other record will have. */
typedef uint64_t page_log_spot;

size_t page_log_bytes(uint32_t pages, uint32_t page_bytes);
/* Over zeroed memory, or over the log that another process made there. 16-byte aligned. */
void page_log_init(struct page_log *log, void *memory, uint32_t pages, uint32_t page_bytes);
/* After fork, before anything is appended. Nobody who lives may have the lane. */
void page_log_attach(struct page_log *log, uint32_t lane);

/* What `bytes` take in a page. */
static inline size_t page_log_rounded(size_t bytes)
{
    return (bytes + PAGE_LOG_UNIT - 1) & ~(size_t)(PAGE_LOG_UNIT - 1);
}

/*
 * Room for a record of `bytes`, alive from now on, and nobody else's until its
 * spot is published. False when no page is free, or only the reserve is.
 */
bool page_log_append(struct page_log *log, size_t bytes, bool may_use_reserve, page_log_spot *spot);
/* The last appended record is written: a later cleaning of its page will find it. */
void page_log_commit(struct page_log *log);
/* Undoes the last append, whose spot nobody ever saw. */
void page_log_take_back(struct page_log *log, page_log_spot spot, size_t bytes);
/* The record is no longer alive. Once for each record, by whoever unpublished its spot. */
void page_log_release(const struct page_log *log, page_log_spot spot, size_t bytes);

char *page_log_at(const struct page_log *log, page_log_spot spot);
/* Bytes from a spot to the end of its page. */
size_t page_log_rest(const struct page_log *log, page_log_spot spot);
/* Bytes counted as alive in all pages. */
uint64_t page_log_live(const struct page_log *log);

/* The sealed page with the fewest live bytes; PAGE_LOG_NONE when none has at most `live_max`. */
uint32_t page_log_emptiest(const struct page_log *log, size_t live_max);
/* Takes a sealed page for cleaning; false when it is not one. */
bool page_log_clean_start(const struct page_log *log, uint32_t page);
/* The spot `offset` bytes into a page in cleaning; false beyond its last record. */
bool page_log_clean_spot(const struct page_log *log, uint32_t page, size_t offset,
                         page_log_spot *spot);
/* Gives it back, free if it is empty: then no spot in it is published any more. */
void page_log_clean_end(const struct page_log *log, uint32_t page, bool is_empty);
