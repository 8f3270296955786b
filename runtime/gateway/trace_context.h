/*
 * trace_context — reads traceparent (W3C Trace Context, level 1), which passes unchanged and is
 * logged.
 */
#pragma once

#include "base/slice.h"

/* The 32 hex digits of the trace id; empty when the field is not valid. */
struct slice trace_context_id(struct slice traceparent);
