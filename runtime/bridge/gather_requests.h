/*
 * gather_requests — what goes out for the parts of a gather: their plan's requests with what the
 * client's adds.
 */
#pragma once

#include "bridge/gather.h"

/* Reads the fields that all parts get. False when one of them is not what a request may have. */
bool gather_forward(struct gather *gather);
/* Fills in the fetch of a part. */
void gather_make_request(struct gather_ask *ask);
