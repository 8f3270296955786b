/*
 * target_totals — the names and labels by which /metrics shows them.
 */
#include "upstream/target_totals.h"

#include <assert.h>
#include <string.h>

#include "base/utf8.h"
#include "shm/counter.h"

/* As moongate.metrics has it: longer values are cut. */
#define VALUE_BYTES_MAX  256
#define LABELS_BYTES_MAX (2 * 2 * VALUE_BYTES_MAX + 64)

struct labels {
    char text[LABELS_BYTES_MAX];
    size_t length;
};

static void append(struct labels *labels, const char *text)
{
    size_t length = strlen(text);
    assert(labels->length + length <= sizeof(labels->text));
    memcpy(labels->text + labels->length, text, length);
    labels->length += length;
}

/* In a value with any byte that is not UTF-8, '?' stands for all beyond ASCII. */
static void append_value(struct labels *labels, struct slice value)
{
    if (value.length > VALUE_BYTES_MAX)
        value.length = VALUE_BYTES_MAX;
    bool is_text = utf8_is_valid(value);
    for (size_t i = 0; i < value.length; i++) {
        char byte = value.start[i];
        if (byte == '\\' || byte == '"' || byte == '\n')
            labels->text[labels->length++] = '\\';
        if (byte == '\n')
            byte = 'n';
        else if (!is_text && ((unsigned char)byte & 0x80) != 0)
            byte = '?';
        labels->text[labels->length++] = byte;
    }
}

static uint64_t *word_of(const struct counter_table *counters, struct slice name,
                         const struct labels *labels, uint64_t *own)
{
    uint32_t slot =
        counter_slot_of_many(counters, COUNTER_TOTAL, name, slice_of(labels->text, labels->length));
    return slot != COUNTER_OVERFLOW ? series_mine(&counters->series, slot) : own;
}

static void describe(struct labels *labels, struct slice upstream, struct slice text)
{
    append(labels, "upstream=\"");
    append_value(labels, upstream);
    append(labels, "\",target=\"");
    append_value(labels, text);
    append(labels, "\"");
}

void target_totals_init(struct target_totals *totals, const struct counter_table *counters,
                        struct slice upstream, struct slice text)
{
    struct labels labels = {.length = 0};

    *totals = (struct target_totals){.attempts = &totals->own[0], .errors = &totals->own[1]};
    if (counters == NULL)
        return;
    describe(&labels, upstream, text);
    totals->attempts =
        word_of(counters, SLICE("moongate_target_attempts_total"), &labels, totals->attempts);
    totals->errors =
        word_of(counters, SLICE("moongate_target_errors_total"), &labels, totals->errors);
}

void target_totals_count_probe(const struct counter_table *counters, struct slice upstream,
                               struct slice text, bool is_well)
{
    struct labels labels = {.length = 0};
    uint64_t nowhere = 0;

    if (counters == NULL)
        return;
    describe(&labels, upstream, text);
    series_add(word_of(counters, SLICE("moongate_target_probes_total"), &labels, &nowhere), 1);
    uint64_t *failures =
        word_of(counters, SLICE("moongate_target_probe_failures_total"), &labels, &nowhere);
    series_add(failures, is_well ? 0 : 1);
}
