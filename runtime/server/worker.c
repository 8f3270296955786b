/*
 * worker — builds its generation, listens, serves, drains.
 */
#include "server/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/sink.h"
#include "bridge/bundle.h"
#include "bridge/generation.h"
#include "server/channel.h"
#include "server/privileges.h"
#include "shm/shared.h"

struct worker {
    const struct worker_options *options;
    struct loop *loop;
    struct resolver *resolver;
    struct clusters *clusters;
    struct gateway *gateway;
    struct services services;
    struct generation *generation;
    ev_signal on_terminate, on_reopen;
    ev_timer drain_deadline;
    bool is_draining;
};

static void on_error(void *data, struct slice error)
{
    log_write(LOG_ERROR, "%.*s", SLICE_FORMAT(error));
}

static void on_turn(void *data, double seconds)
{
    const struct worker *worker = data;
    shared_observe_turn(worker->options->shared, seconds);
}

static void on_drained(void *data)
{
    struct worker *worker = data;
    loop_stop(worker->loop);
}

static void on_drain_deadline(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    log_write(LOG_WARNING, "draining took too long: %llu requests are cut off",
              (unsigned long long)gateway_counts(worker->gateway)->exchanges_active);
    loop_stop(worker->loop);
}

static void on_terminate(struct ev_loop *ev, ev_signal *watcher, int events)
{
    struct worker *worker = watcher->data;

    if (worker->is_draining)
        return;
    worker->is_draining = true;
    ev_timer_init(&worker->drain_deadline, on_drain_deadline, worker->options->plan->drain_seconds,
                  0);
    worker->drain_deadline.data = worker;
    ev_timer_start(ev, &worker->drain_deadline);
    gateway_drain(worker->gateway, on_drained, worker);
}

static void on_reopen(struct ev_loop *ev, ev_signal *watcher, int events)
{
    sinks_reopen();
}

static void watch_signals(struct worker *worker)
{
    sigset_t none;

    signal(SIGINT, SIG_IGN); /* the terminal sends it to all; the master tells us what it means */
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    ev_signal_init(&worker->on_terminate, on_terminate, SIGTERM);
    ev_signal_init(&worker->on_reopen, on_reopen, SIGUSR1);
    worker->on_terminate.data = worker->on_reopen.data = worker;
    ev_signal_start(worker->loop->ev, &worker->on_terminate);
    ev_signal_start(worker->loop->ev, &worker->on_reopen);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* From what was read once for all, so nothing of root's is needed, and all workers are alike. */
static bool build(struct worker *worker)
{
    const struct worker_options *options = worker->options;
    struct bundle *bundle = bundle_open(options->bundle_fd);
    if (bundle == NULL) {
        log_write(LOG_ERROR, "what was read of the configuration cannot be mapped: %s",
                  strerrordesc_np(errno));
        return false;
    }
    struct generation_options generation = {.config_path = options->config_path,
                                            .bundle = bundle,
                                            .lua_root = options->installation->lua_root,
                                            .plugin_root = options->installation->plugin_root,
                                            .on_error = on_error};
    worker->generation = generation_build(&generation);
    bundle_destroy(&bundle);
    return worker->generation != NULL;
}

static bool commit(struct worker *worker)
{
    const struct worker_options *options = worker->options;
    const struct gateway_options *gateway = generation_gateway_options(worker->generation);
    const struct resolver_options *resolver = generation_resolver_options(worker->generation);

    worker->resolver = resolver_create(worker->loop, resolver);
    if (worker->resolver == NULL) {
        log_write(LOG_ERROR, "the resolver's servers cannot be read: %s",
                  resolver->servers != NULL ? resolver->servers : "/etc/resolv.conf");
        return false;
    }
    worker->clusters = clusters_create(worker->loop, worker->resolver, &gateway->limits);
    worker->gateway = gateway_create(worker->loop, gateway, &BRIDGE_PHASES, &worker->generation);
    worker->services = (struct services){.loop = worker->loop,
                                         .gateway = worker->gateway,
                                         .clusters = worker->clusters,
                                         .resolver = worker->resolver,
                                         .worker = options->index,
                                         .worker_count = (unsigned)options->sockets->worker_count,
                                         .shared = options->shared};
    return generation_commit(worker->generation, &worker->services);
}

static void serve(struct worker *worker)
{
    const struct worker_options *options = worker->options;
    const struct channel_message ready = {.kind = CHANNEL_READY, .ok = true};

    for (size_t i = 0; i < options->plan->listener_count; i++)
        gateway_listen(worker->gateway, sockets_fd(options->sockets, i, options->index),
                       generation_listener(worker->generation, i));
    if (!channel_send(options->channel, &ready))
        log_write(LOG_WARNING, "the master does not hear that this worker is ready");
    loop_run(worker->loop);
}

static void tear_down(struct worker *worker)
{
    if (worker->gateway != NULL)
        gateway_destroy(&worker->gateway);
    if (worker->generation != NULL)
        generation_release(&worker->generation);
    if (worker->clusters != NULL)
        clusters_destroy(&worker->clusters);
    if (worker->resolver != NULL)
        resolver_destroy(&worker->resolver);
    loop_destroy(&worker->loop);
}

int worker_run(const struct worker_options *options)
{
    struct worker worker = {.options = options, .loop = loop_create()};
    char name[32];

    snprintf(name, sizeof(name), "worker %u", options->index + 1);
    log_set_process(name);
    log_start();
    watch_signals(&worker);
    sockets_keep_only(options->sockets, options->index);
    shared_attach(options->shared, options->index);
    worker.loop->on_turn = on_turn;
    worker.loop->on_turn_data = &worker;
    bool is_built = privileges_drop(options->plan->user) && build(&worker) && commit(&worker);
    if (is_built)
        serve(&worker);
    tear_down(&worker);
    log_stop();
    return is_built ? 0 : 1;
}
