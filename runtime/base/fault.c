/*
 * fault — the table of faults, by column.
 */
#include "base/fault.h"

#include <assert.h>
#include <stddef.h>

struct fault_row {
    int status;
    bool retry;
    const char *type, *proxy_status, *text;
};

#define FAULT_ROW(name, status, retry, type, proxy_status, text) \
    [FAULT_##name] = {status, retry, type, proxy_status, text},
static const struct fault_row ROWS[FAULT_COUNT] = {[FAULT_NONE] = {0, false, "none", NULL, ""},
                                                   FAULTS(FAULT_ROW)};
#undef FAULT_ROW

static const struct fault_row *row(enum fault fault)
{
    assert((unsigned)fault < FAULT_COUNT);
    return &ROWS[fault];
}

int fault_status(enum fault fault)
{
    return row(fault)->status;
}

bool fault_is_retryable(enum fault fault)
{
    return row(fault)->retry;
}

const char *fault_type(enum fault fault)
{
    return row(fault)->type;
}

const char *fault_proxy_status(enum fault fault)
{
    return row(fault)->proxy_status;
}

const char *fault_text(enum fault fault)
{
    return row(fault)->text;
}
