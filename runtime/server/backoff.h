/*
 * backoff — how long to wait before a worker is started again that ends again and again.
 *
 * Who has served for a while is replaced at once, and so is who ends soon, the first time. After
 * that each pause is twice as long as the one before, up to a limit that is short, since clients
 * wait in that worker's queue. A share of it is random: workers that fail together come back one by
 * one.
 */
#pragma once

/* Whoever has served for less has ended soon; for as long as LONG, it starts with a clean slate. */
#define BACKOFF_SOON_SECONDS 1.0
#define BACKOFF_LONG_SECONDS 10.0
/* Before the random share is taken off or added. */
#define BACKOFF_FIRST_SECONDS 0.2
#define BACKOFF_MAX_SECONDS   5.0
#define BACKOFF_RANDOM_SHARE  0.25

struct backoff {
    unsigned soon_count; /* how often it has ended soon */
};

/* It has ended, after it had served for so long, 0: not at all. `random` is from 0 to below 1.
 * The pause in seconds. */
double backoff_pause(struct backoff *backoff, double served_seconds, double random);
