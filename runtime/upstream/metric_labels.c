/*
 * metric_labels — names and values, escaped as the text format wants them.
 */
#include "upstream/metric_labels.h"

#include <assert.h>
#include <string.h>

#include "base/utf8.h"
#include "shm/counter.h"

static void append(struct metric_labels *labels, const char *text)
{
    size_t length = strlen(text);
    assert(labels->length + length <= sizeof(labels->text));
    memcpy(labels->text + labels->length, text, length);
    labels->length += length;
}

static void append_value(struct metric_labels *labels, struct slice value)
{
    if (value.length > METRIC_LABEL_VALUE_BYTES_MAX)
        value.length = METRIC_LABEL_VALUE_BYTES_MAX;
    bool is_text = utf8_is_valid(value);
    assert(labels->length + 2 * value.length <= sizeof(labels->text));
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

void metric_labels_add(struct metric_labels *labels, const char *name, struct slice value)
{
    if (labels->length > 0)
        append(labels, ",");
    append(labels, name);
    append(labels, "=\"");
    append_value(labels, value);
    append(labels, "\"");
}

uint64_t *metric_labels_total(const struct metric_labels *labels,
                              const struct counter_table *counters, const char *name, uint64_t *own)
{
    if (counters == NULL)
        return own;
    uint32_t slot = counter_slot_of_many(counters, COUNTER_TOTAL, slice_from_string(name),
                                         slice_of(labels->text, labels->length));
    return slot != COUNTER_OVERFLOW ? series_mine(&counters->series, slot) : own;
}

uint64_t metric_labels_sum(const struct metric_labels *labels, const struct counter_table *counters,
                           const char *name)
{
    uint32_t slot = counter_find(counters, COUNTER_TOTAL, slice_from_string(name),
                                 slice_of(labels->text, labels->length));
    return slot != COUNTER_OVERFLOW ? (uint64_t)counter_value(counters, slot) : 0;
}
