/*
 * sinks_open — the files that a generation's plugins append lines to, by number.
 *
 * Closed when the generation ends; a successor that opens the same files keeps them open.
 */
#pragma once

#include <stdint.h>

#include "base/sink.h"

struct sinks_open {
    struct sink *items[SINKS_MAX];
    unsigned count;
};

void sinks_open_release(struct sinks_open *sinks);
