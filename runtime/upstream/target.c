/*
 * target — its place on the board, what is under way on it, and which failures speak against it.
 */
#include "upstream/target.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "shm/series.h"

static struct slice text_of(const char *host, uint16_t port)
{
    const char *format = strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u";
    size_t bytes = strlen(host) + sizeof("unix:[]:65535");
    char *text = mem_alloc(bytes);
    int length = host[0] == '/' ? snprintf(text, bytes, "unix:%s", host)
                                : snprintf(text, bytes, format, host, (unsigned)port);
    assert(length > 0 && (size_t)length < bytes);
    return slice_of(text, (size_t)length);
}

static struct slice url_of(const struct target *target)
{
    const char *scheme = target->host[0] == '/' ? "" : target->is_tls ? "https://" : "http://";
    size_t bytes = strlen(scheme) + target->text.length + 1;
    char *url = mem_alloc(bytes);
    snprintf(url, bytes, "%s%s", scheme, target->text.start);
    return slice_of(url, bytes - 1);
}

static void settle(struct target *target, const struct target_home *home)
{
    target->words = &target->own;
    target->active = target->own_active;
    if (home->board == NULL)
        return;
    target->row = target_board_hold(home->board, home->upstream, target->url);
    if (target->row == NAME_NONE)
        return;
    target->board = home->board;
    target->words = target_board_words(home->board, target->row);
    target->active = series_mine(&home->board->active, target->row);
}

struct target *target_create(struct loop *loop, const struct cluster_target_options *options,
                             const struct pool_limits *limits, const struct target_home *home)
{
    assert(options->host.length > 0);

    struct target *target = mem_zeroed(sizeof(*target));
    target->host = slice_to_string(options->host);
    target->port = options->port;
    target->is_tls = options->is_tls;
    target_take_options(target, options);
    target->text = text_of(target->host, target->port);
    target->url = url_of(target);
    target->references = 1;
    settle(target, home);
    series_add(&target->active[TARGET_BOARD_USERS], 1);
    target->pool = pool_create(loop, limits);
    return target;
}

void target_take_options(struct target *target, const struct cluster_target_options *options)
{
    assert(options->weight > 0);
    target->weight = options->weight;
    target->priority = options->priority;
    target->is_backup = options->is_backup;
    target->is_remote = options->is_remote;
}

bool target_has_options(const struct target *target, const struct cluster_target_options *options)
{
    return target->weight == options->weight && target->priority == options->priority &&
           target->is_backup == options->is_backup && target->is_remote == options->is_remote;
}

struct target *target_acquire(struct target *target)
{
    target->references++;
    return target;
}

void target_retire(struct target *target)
{
    pool_renew(target->pool);
    series_store(&target->active[TARGET_BOARD_CONNECTIONS], 0);
    series_add(&target->active[TARGET_BOARD_USERS], (uint64_t)-1);
}

void target_release(struct target **target)
{
    struct target *gone = *target;
    *target = NULL;
    assert(gone->references > 0);
    if (--gone->references > 0)
        return;
    pool_destroy(&gone->pool);
    if (gone->row != NAME_NONE)
        target_board_release(gone->board, gone->row);
    free((char *)gone->text.start);
    free((char *)gone->url.start);
    free(gone->host);
    free(gone);
}

bool target_is(const struct target *target, const struct cluster_target_options *options)
{
    return target->port == options->port && target->is_tls == options->is_tls &&
           slice_equals(slice_from_string(target->host), options->host);
}

uint64_t target_sum(const struct target *target, enum target_board_word word)
{
    return target->row != NAME_NONE ? series_sum(&target->board->active, target->row, word)
                                    : target->own_active[word];
}

void target_tell_connections(struct target *target)
{
    uint64_t busy = pool_busy(target->pool), idle = pool_idle(target->pool);
    series_store(&target->active[TARGET_BOARD_CONNECTIONS], busy << 32 | idle);
}

void target_begin(struct target *target)
{
    series_add(&target->active[TARGET_BOARD_ACTIVE], 1);
    series_add(&target->active[TARGET_BOARD_ATTEMPTS], 1);
}

void target_end(struct target *target)
{
    series_add(&target->active[TARGET_BOARD_ACTIVE], (uint64_t)-1);
}

static bool is_absence(enum fault fault)
{
    switch ((int)fault) {
    case FAULT_UPSTREAM_DNS:
    case FAULT_UPSTREAM_DNS_TIMEOUT:
    case FAULT_UPSTREAM_REFUSED:
    case FAULT_UPSTREAM_UNROUTABLE:
    case FAULT_UPSTREAM_CONNECT_TIMEOUT:
    case FAULT_UPSTREAM_TLS:
    case FAULT_UPSTREAM_CERTIFICATE:
    case FAULT_UPSTREAM_CLOSED:
        return true;
    default:
        return false;
    }
}

bool target_fail(struct target *target, enum fault fault, bool is_trial,
                 const struct ejection_rules *rules, double now)
{
    assert(fault != FAULT_NONE);
    series_add(&target->active[TARGET_BOARD_ERRORS], 1);
    if (!is_trial && !is_absence(fault))
        return false;
    return ejection_fail(&target->words->ejection, is_trial, now, rules);
}
