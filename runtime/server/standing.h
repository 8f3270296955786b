/*
 * standing — how a gateway is, as its master tells it: to `moongate status`, and to its workers for
 * their admin listeners.
 */
#pragma once

#include <sys/types.h>

#include "base/buffer.h"

struct history;
struct workforce;

#define STANDING_BYTES_MAX ((size_t)1 << 20)

struct standing {
    const char *config_path;
    double started; /* seconds since the epoch */
    const struct history *history;
    const struct workforce *workforce;
    bool is_ready;      /* all workers have served */
    pid_t previous_pid; /* of a gateway that finishes its requests since an upgrade; 0: none */
};

/* All of it, for people. */
void standing_print(const struct standing *standing, struct buffer *into);
/* All of it, one object and a line feed. */
void standing_print_json(const struct standing *standing, struct buffer *into);
/* What workers are to know of it: which generation runs, how reloads went, how often workers were
 * replaced. One object that a notice has room for: of too many errors the last ones are left out.
 */
void standing_print_news(const struct standing *standing, struct buffer *into);
