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
#include "bridge/appeal.h"
#include "bridge/flights.h"
#include "bridge/generation.h"
#include "bridge/whereabouts.h"
#include "cache/http_cache.h"
#include "net/background.h"
#include "net/resolver.h"
#include "server/channel.h"
#include "server/orphan.h"
#include "server/succession.h"
#include "server/worker_build.h"
#include "server/worker_deputy.h"
#include "server/worker_listeners.h"
#include "shm/shared.h"
#include "store/stores.h"
#include "upstream/prober.h"

struct worker {
    const struct worker_options *options;
    struct loop *loop;
    struct background *background, *hasher, *reader;
    struct resolver *resolver;
    struct clusters *clusters;
    struct prober *prober;
    struct gateway *gateway;
    struct http_cache *cache;
    struct flights *flights;
    struct services services;
    struct generations generations;
    struct stores *stores;
    struct appeals appeals;
    struct generation *generation; /* the current one */
    struct succession *succession; /* NULL until the first generation serves */
    struct worker_listeners listeners;
    struct worker_deputy deputy;
    ev_io on_master;
    ev_signal on_terminate, on_reopen;
    struct orphan orphan;
    ev_timer drain_deadline;
    bool is_draining;
    bool has_served;
};

static void on_turn(void *data, double seconds)
{
    const struct worker *worker = data;
    shared_observe_turn(worker->options->shared, seconds);
    if (worker->gateway != NULL)
        shedder_end_turn(gateway_shedder(worker->gateway), *worker->loop->turn, seconds,
                         loop_turns_behind(worker->loop));
}

static void on_generation_freed(void *data, uint64_t number)
{
    const struct worker *worker = data;
    const struct channel_message message = {
        .kind = CHANNEL_RETIRED, .ok = true, .generation = number};
    channel_send(worker->options->channel, &message);
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

static void set_drain_deadline(struct worker *worker)
{
    ev_timer_init(&worker->drain_deadline, on_drain_deadline, worker->listeners.plan.drain_seconds,
                  0);
    worker->drain_deadline.data = worker;
    ev_timer_start(worker->loop->ev, &worker->drain_deadline);
}

/* The second time, only more of it. */
static void drain(struct worker *worker, bool with_admin)
{
    if (!worker->is_draining)
        set_drain_deadline(worker);
    worker->is_draining = true;
    worker_place_set_state(worker->options->shared->place, WORKER_DRAINING);
    gateway_drain(worker->gateway, with_admin, on_drained, worker);
}

static void on_terminate(struct ev_loop *ev, ev_signal *watcher, int events)
{
    struct worker *worker = watcher->data;

    if (!worker->is_draining)
        drain(worker, false);
}

static void on_orphaned(void *data)
{
    struct worker *worker = data;

    orphan_allow(worker->listeners.plan.drain_seconds);
    log_write(LOG_ERROR, "the master has died: this worker ends what it has begun");
    drain(worker, true);
}

static void allow_turn(const struct plan *plan)
{
    orphan_allow_turn(plan->turn_seconds > 0 ? plan->turn_seconds : plan->drain_seconds);
}

/* Whom the master does not know by this generation can only leave all sockets to the successor. */
static void leave(struct worker *worker, const struct channel_message *message)
{
    bool is_known = message->generation == generation_number(worker->generation);

    worker_deputy_end_all(&worker->deputy);
    worker_listeners_leave(&worker->listeners, is_known ? message->text : SLICE(""));
    drain(worker, true);
}

static void begin_listening(struct worker *worker)
{
    const struct worker_options *options = worker->options;

    worker_listeners_open(&worker->listeners, worker->generation, options->sockets, options->index);
}

/* Who leaves has no part in what comes. */
static void agree(const struct worker *worker, const struct channel_message *message)
{
    static const enum channel_kind ANSWERS[CHANNEL_KIND_COUNT] = {
        [CHANNEL_BUILD] = CHANNEL_BUILT,
        [CHANNEL_START] = CHANNEL_STARTED,
        [CHANNEL_SWAP] = CHANNEL_SWAPPED,
    };
    struct channel_message answer = {
        .kind = ANSWERS[message->kind], .ok = true, .generation = message->generation};

    if (answer.kind != CHANNEL_HANDOVER) /* that is no answer to anything */
        channel_send(worker->options->channel, &answer);
}

static void on_master(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct worker *worker = watcher->data;
    struct channel_message message;
    enum channel_outcome outcome;

    while ((outcome = channel_receive(worker->options->channel, &message)) == CHANNEL_MESSAGE) {
        if (message.kind == CHANNEL_ANSWER)
            appeals_answer(&worker->appeals, message.generation, message.ok, message.text);
        else if (worker->is_draining)
            agree(worker, &message);
        else if (message.kind == CHANNEL_LISTEN)
            begin_listening(worker);
        else if (message.kind == CHANNEL_LEAVE)
            leave(worker, &message);
        else if (message.kind == CHANNEL_DEPUTIZE)
            worker_deputy_begin(&worker->deputy, worker->generation, &message);
        else if (message.kind == CHANNEL_RELIEVE)
            worker_deputy_end(&worker->deputy, &message);
        else
            succession_on_message(worker->succession, &message);
        channel_message_clear(&message);
    }
    if (outcome == CHANNEL_CLOSED)
        ev_io_stop(ev, watcher);
    loop_flush(worker->loop);
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
    whereabouts_tell_lines();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool on_appeal(void *data, uint64_t ticket, struct slice what)
{
    const struct worker *worker = data;
    const struct channel_message message = {
        .kind = CHANNEL_ASK, .ok = true, .generation = ticket, .text = what};
    return channel_send(worker->options->channel, &message);
}

/* Everything that lasts, as the first generation says. */
static bool make_services(struct worker *worker)
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
    worker->background = background_create(worker->loop, BACKGROUND_IDLE);
    background_expect(worker->background, generation_build_cpu_seconds(worker->generation));
    worker->hasher = background_create(worker->loop, BACKGROUND_IDLE);
    worker->reader = background_create(worker->loop, BACKGROUND_PROMPT);
    worker->clusters = clusters_create(worker->loop, worker->resolver, &gateway->limits);
    worker->gateway = gateway_create(worker->loop, gateway, &BRIDGE_PHASES, &worker->generation);
    worker_listeners_init(&worker->listeners, worker->gateway);
    worker_deputy_init(&worker->deputy, worker->gateway);
    worker->cache = http_cache_create(worker->loop, &options->shared->objects);
    worker->cache->counters = &options->shared->counters;
    gateway_use_cache(worker->gateway, worker->cache);
    gateway_count_in(worker->gateway, &options->shared->counters);
    shedder_show(gateway_shedder(worker->gateway), &options->shared->counters,
                 options->shared->place, &options->shared->board);
    worker->prober = prober_create(worker->clusters, &gateway->limits);
    clusters_share(worker->clusters, &options->shared->counters, &options->shared->targets);
    clusters_break_in(worker->clusters, &options->shared->breakers);
    clusters_admit_in(worker->clusters, &options->shared->gates);
    clusters_learn_in(worker->clusters, &options->shared->answer_times);
    generations_init(&worker->generations);
    worker->generations.on_freed = on_generation_freed;
    worker->generations.data = worker;
    worker->stores = stores_create(worker->loop);
    worker->flights = flights_create(worker->loop, &options->shared->values);
    appeals_init(&worker->appeals, worker->loop, on_appeal, worker);
    worker->services = (struct services){.loop = worker->loop,
                                         .gateway = worker->gateway,
                                         .clusters = worker->clusters,
                                         .resolver = worker->resolver,
                                         .background = worker->background,
                                         .hasher = worker->hasher,
                                         .reader = worker->reader,
                                         .generations = &worker->generations,
                                         .stores = worker->stores,
                                         .appeals = &worker->appeals,
                                         .flights = worker->flights,
                                         .worker = options->index,
                                         .worker_count = (unsigned)options->sockets->worker_count,
                                         .config_path = options->config_path,
                                         .lua_root = options->installation->lua_root,
                                         .plugin_root = options->installation->plugin_root,
                                         .shared = options->shared};
    return true;
}

static void enter(struct worker *worker, struct generation *generation)
{
    generation_enter(generation);
    prober_look(worker->prober);
    worker_place_set_current(worker->options->shared->place, generation_number(generation));
}

static void on_swap(void *data, struct generation *next, const int *fds)
{
    struct worker *worker = data;
    struct generation *previous = worker->generation;
    const struct gateway_options *options = generation_gateway_options(next);
    const struct plan *plan = generation_plan(next);

    enter(worker, next);
    worker->generation = next;
    gateway_configure(worker->gateway, options);
    clusters_limit(worker->clusters, &options->limits);
    resolver_configure(worker->resolver);
    log_configure(plan->log_level, plan->log_format);
    worker_listeners_change(&worker->listeners, next, fds);
    worker_deputy_end_all(&worker->deputy);
    allow_turn(plan);
    generation_retire(&previous);
}

static void listen_to_master(struct worker *worker)
{
    const struct worker_options *options = worker->options;
    struct succession_options succession = {.config_path = options->config_path,
                                            .installation = options->installation,
                                            .services = &worker->services,
                                            .plan = &worker->listeners.plan,
                                            .channel = options->channel,
                                            .swap = on_swap,
                                            .data = worker};

    worker->succession = succession_create(&succession);
    ev_io_init(&worker->on_master, on_master, channel_fd(options->channel), EV_READ);
    worker->on_master.data = worker;
    ev_io_start(worker->loop->ev, &worker->on_master);
}

/* It is logged already; a master that takes another one's place tells it to who wants that. */
static void tell_failure(const struct worker *worker, struct slice error)
{
    char text[CHANNEL_TEXT_BYTES_MAX];
    const struct channel_message message = {.kind = CHANNEL_STARTED,
                                            .generation = worker->options->generation,
                                            .text = channel_line(error, text)};

    channel_send(worker->options->channel, &message);
}

/* The first generation has been started. */
static void on_started(void *data, struct slice error)
{
    struct worker *worker = data;
    const struct worker_options *options = worker->options;
    const struct channel_message ready = {
        .kind = CHANNEL_READY, .ok = true, .generation = options->generation};

    if (error.length > 0)
        tell_failure(worker, error);
    if (error.length > 0 || worker->is_draining) {
        loop_stop(worker->loop);
        return;
    }
    enter(worker, worker->generation);
    worker_place_set_state(options->shared->place, WORKER_SERVING);
    if (!options->waits_to_listen)
        begin_listening(worker);
    listen_to_master(worker);
    allow_turn(generation_plan(worker->generation));
    orphan_listen(&worker->orphan, worker->loop, on_orphaned, worker);
    worker->has_served = true;
    if (!channel_send(options->channel, &ready))
        log_write(LOG_WARNING, "the master does not hear that this worker is ready");
}

static void end_generations(struct worker *worker)
{
    if (worker->succession != NULL)
        succession_destroy(&worker->succession);
    if (worker->generation != NULL && worker->background != NULL)
        generation_retire(&worker->generation);
    else if (worker->generation != NULL)
        generation_release(&worker->generation);
    if (worker->background == NULL)
        return;
    generations_end_tasks(&worker->generations);
    background_destroy(&worker->hasher);
    if (worker->generations.reading_count == 0) /* else it ends with the process */
        background_destroy(&worker->reader);
    background_destroy(&worker->background);
}

static void tear_down(struct worker *worker)
{
    ev_io_stop(worker->loop->ev, &worker->on_master);
    if (worker->has_served)
        orphan_stop(&worker->orphan, worker->loop);
    if (worker->prober != NULL)
        prober_destroy(&worker->prober);
    if (worker->gateway != NULL)
        gateway_destroy(&worker->gateway);
    if (worker->cache != NULL)
        http_cache_destroy(&worker->cache);
    worker_listeners_clear(&worker->listeners);
    worker_deputy_clear(&worker->deputy);
    end_generations(worker);
    if (worker->flights != NULL)
        flights_destroy(&worker->flights);
    if (worker->stores != NULL)
        stores_destroy(&worker->stores);
    if (worker->clusters != NULL)
        clusters_destroy(&worker->clusters);
    if (worker->resolver != NULL)
        resolver_destroy(&worker->resolver);
    if (worker->reader == NULL) /* else its thread may tell the loop yet */
        loop_destroy(&worker->loop);
}

/* Who was forked with a generation has its user, too. */
static bool take_generation(struct worker *worker)
{
    const struct worker_options *options = worker->options;

    worker->generation = options->built;
    if (worker->generation != NULL)
        generation_move_in(worker->generation, options->shared);
    else if (worker_become_user(options))
        worker->generation = worker_build(options);
    return worker->generation != NULL;
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
    worker_place_set_pid(options->shared->place, getpid());
    worker.loop->on_turn = on_turn;
    worker.loop->on_turn_data = &worker;
    worker.loop->turn = &options->shared->place->turn_started;
    if (take_generation(&worker) && make_services(&worker)) {
        generation_start(worker.generation, &worker.services, on_started, &worker);
        loop_run(worker.loop);
    }
    tear_down(&worker);
    log_stop();
    return worker.has_served || worker.is_draining ? 0 : 1;
}
