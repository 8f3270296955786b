/*
 * target — counting failures in a row, and setting aside.
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

struct target *target_create(struct loop *loop, const struct cluster_target_options *options,
                             const struct pool_limits *limits, const struct counter_table *counters,
                             struct slice upstream)
{
    assert(options->weight > 0);
    assert(options->host.length > 0);

    struct target *target = mem_zeroed(sizeof(*target));
    target->host = slice_to_string(options->host);
    target->port = options->port;
    target->weight = options->weight;
    target->is_tls = options->is_tls;
    target->text = text_of(target->host, target->port);
    target->references = 1;
    target_totals_init(&target->totals, counters, upstream, target->text);
    target->pool = pool_create(loop, limits);
    return target;
}

struct target *target_acquire(struct target *target)
{
    target->references++;
    return target;
}

void target_retire(struct target *target)
{
    pool_renew(target->pool);
}

void target_release(struct target **target)
{
    struct target *gone = *target;
    *target = NULL;
    assert(gone->references > 0);
    if (--gone->references > 0)
        return;
    pool_destroy(&gone->pool);
    free((char *)gone->text.start);
    free(gone->host);
    free(gone);
}

bool target_is(const struct target *target, const struct cluster_target_options *options)
{
    return target->port == options->port && target->is_tls == options->is_tls &&
           slice_equals(slice_from_string(target->host), options->host);
}

bool target_is_usable(const struct target *target, double now)
{
    return !target->is_set_aside || (now >= target->set_aside_until && !target->is_probed);
}

bool target_begin(struct target *target, double now)
{
    bool is_probe = target->is_set_aside && target_is_usable(target, now);
    target->active++;
    series_add(target->totals.attempts, 1);
    if (is_probe)
        target->is_probed = true;
    return is_probe;
}

void target_end(struct target *target, bool is_probe)
{
    assert(target->active > 0);
    target->active--;
    if (is_probe)
        target->is_probed = false;
}

bool target_succeed(struct target *target)
{
    bool was_set_aside = target->is_set_aside;
    target->failures = 0;
    target->is_set_aside = false;
    return was_set_aside;
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

bool target_fail(struct target *target, enum fault fault, bool is_probe,
                 const struct target_tolerance *tolerance, double now)
{
    assert(fault != FAULT_NONE);
    series_add(target->totals.errors, 1);
    if (!is_probe && !is_absence(fault))
        return false;
    if (target->failures < UINT32_MAX)
        target->failures++;
    if (!is_probe && target->failures < tolerance->failures_max)
        return false;
    bool is_news = !target->is_set_aside;
    target->is_set_aside = true;
    target->set_aside_until = now + tolerance->set_aside_seconds;
    return is_news;
}
