/*
 * call_admission — a call's place among those of its upstream: under way, waiting, or given back.
 */
#pragma once

#include "base/fault.h"
#include "upstream/admission.h"

struct call;

/* Of an upstream that has an admission: begins the call's first attempt, lets it wait, or fails it.
 */
void call_admission_start(struct call *call);
/* No target has a connection for it. Whether it waits for one; a twin, which shares the place of
 * its source, does not. */
bool call_admission_wait(struct call *call);
bool call_admission_is_waiting(const struct call *call);
/* All of the request has been sent: from now on the upstream is who is waited for. */
void call_admission_note_end(struct call *call);
/* What became of it: a fault, or with FAULT_NONE the status of the answer; its place is given back.
 * The first word counts. */
void call_admission_report(struct call *call, enum fault fault, int status);
/* The call goes: whose place it is, gives it back. */
void call_admission_release(struct call *call);
