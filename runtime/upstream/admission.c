/*
 * admission — a list of those that wait, looked at whenever something may have become free.
 *
 * One timer for all of them: when the first has waited for as long as it may, and now and then,
 * should a worker that was to pass a word on have been killed.
 */
#include "upstream/admission.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "shm/bells.h"
#include "upstream/admission_parts.h"
#include "upstream/call_state.h"

#define LOOK_SECONDS 0.05

static struct loop *loop_of(const struct admission *admission)
{
    return admission->cluster->clusters->loop;
}

const struct gates *admission_gates(struct admission *admission)
{
    const struct gates *gates = admission->cluster->clusters->gates;

    if (gates != NULL && !admission->has_number) {
        admission->number = gate_number(gates, admission->cluster->name);
        admission->has_number = true;
    }
    return gates;
}

/* ---- places ---- */

bool admission_take(struct admission *admission, struct call_turn *turn)
{
    const struct gates *gates = admission_gates(admission);
    const struct gate_options *limit =
        admission->options.has_limit ? &admission->options.limit : NULL;

    if (gates != NULL && !gate_enter(gates, admission->number, limit, &turn->active))
        return false;
    turn->is_active = true;
    turn->started = loop_monotonic(loop_of(admission));
    return true;
}

void admission_give(struct admission *admission, struct call_turn *turn)
{
    const struct gates *gates = admission_gates(admission);

    turn->is_active = false;
    if (gates != NULL && gate_leave(gates, admission->number))
        admission_wake(admission);
}

/* ---- waiting ---- */

static void set_tick(struct admission *admission)
{
    const struct call_turn *oldest = CONTAINER_OF(admission->waiting.next, struct call_turn, node);
    double left = oldest->expires - loop_monotonic(loop_of(admission));

    timeout_set(&admission->tick, left > LOOK_SECONDS ? LOOK_SECONDS : left > 0.001 ? left : 0.001);
}

bool admission_join(struct admission *admission, struct call_turn *turn)
{
    const struct gates *gates = admission_gates(admission);
    double now = loop_monotonic(loop_of(admission));

    if (gates != NULL ? !gate_queue_join(gates, admission->number, admission->options.queue_size)
                      : admission->count >= admission->options.queue_size)
        return false;
    turn->is_waiting = true;
    turn->joined = now;
    turn->expires = now + admission->options.queue_seconds;
    list_push_back(&admission->waiting, &turn->node);
    if (admission->count++ == 0) {
        admission->standing_since = now;
        list_push_back(&admission->cluster->clusters->admissions, &admission->node);
        set_tick(admission);
    }
    admission_wake(admission); /* it has not looked after it said that it waits */
    return true;
}

void admission_leave(struct admission *admission, struct call_turn *turn, enum gate_wait how)
{
    const struct gates *gates = admission_gates(admission);
    double seconds = loop_monotonic(loop_of(admission)) - turn->joined;

    assert(turn->is_waiting && admission->count > 0);
    turn->is_waiting = false;
    turn->call->record.queue_seconds += seconds;
    list_remove(&turn->node);
    if (gates != NULL)
        gate_queue_leave(gates, admission->number, how, seconds);
    if (--admission->count > 0)
        return;
    list_remove(&admission->node);
    timeout_clear(&admission->tick);
    if (gates != NULL)
        gate_forgo(gates, admission->number);
}

static void expire(struct admission *admission, struct call_turn *turn)
{
    admission_leave(admission, turn, GATE_WAIT_EXPIRED);
    turn->call->record.retry_after_seconds = 1;
    call_attempt_fail(turn->call, FAULT_UPSTREAM_QUEUE_TIMEOUT, NULL);
}

/* Of those that wait in order of time, the first ones. */
static void expire_overdue(struct admission *admission)
{
    double now = loop_monotonic(loop_of(admission));

    while (admission->count > 0) {
        struct call_turn *oldest = CONTAINER_OF(admission->waiting.next, struct call_turn, node);
        if (oldest->expires > now)
            return;
        expire(admission, oldest);
    }
}

static struct call_turn *next_of(const struct admission *admission)
{
    double standing = loop_monotonic(loop_of(admission)) - admission->standing_since;
    bool is_newest = admission->options.order == ADMISSION_NEWEST_FIRST ||
                     (admission->options.order == ADMISSION_ADAPTIVE &&
                      standing > admission->options.queue_seconds);

    return CONTAINER_OF(is_newest ? admission->waiting.prev : admission->waiting.next,
                        struct call_turn, node);
}

/* Asks again after it has said that it waits, so that no word is missed. */
static bool take_or_await(struct admission *admission, struct call_turn *turn)
{
    const struct gates *gates = admission_gates(admission);

    if (admission_take(admission, turn))
        return true;
    gate_await(gates, admission->number);
    return admission_take(admission, turn);
}

/* False when it cannot go yet. */
static bool serve_one(struct admission *admission, struct call_turn *turn)
{
    if (turn->call->fault != FAULT_NONE) { /* it has ended while it waited */
        admission_leave(admission, turn, GATE_WAIT_GIVEN_UP);
        return true;
    }
    if (!take_or_await(admission, turn))
        return false;
    turn->is_serving = true;
    turn->is_denied = false;
    call_attempt_start(turn->call);
    turn->is_serving = false;
    if (!turn->is_denied)
        admission_leave(admission, turn, GATE_WAIT_ENDED);
    return !turn->is_denied;
}

static void serve(struct loop_deferred *deferred)
{
    struct admission *admission = CONTAINER_OF(deferred, struct admission, serve);

    expire_overdue(admission);
    while (admission->count > 0 && serve_one(admission, next_of(admission)))
        ;
    if (admission->count > 0)
        set_tick(admission);
}

void admission_wake(struct admission *admission)
{
    if (admission->count > 0)
        loop_defer(loop_of(admission), &admission->serve);
}

static void on_tick(void *data)
{
    admission_wake(data);
}

/* ---- of a cluster ---- */

static struct admission *create(struct cluster *cluster)
{
    struct admission *admission = mem_zeroed(sizeof(*admission));

    admission->cluster = cluster;
    admission->serve.run = serve;
    list_init(&admission->waiting);
    list_init(&admission->node);
    list_init(&admission->serve.node);
    timeout_init(&admission->tick, cluster->clusters->loop, on_tick, admission);
    return admission;
}

/* Who waits already waits for no longer than who comes now: the list stays in the order of time. */
static void shorten_waits(const struct admission *admission)
{
    for (struct list *at = admission->waiting.next; at != &admission->waiting; at = at->next) {
        struct call_turn *turn = CONTAINER_OF(at, struct call_turn, node);
        turn->expires = fmin(turn->expires, turn->joined + admission->options.queue_seconds);
    }
}

void admission_configure(struct admission **admission, struct cluster *cluster,
                         const struct admission_options *options)
{
    if (options == NULL && *admission == NULL)
        return;
    if (*admission == NULL)
        *admission = create(cluster);
    (*admission)->options = options != NULL ? *options : (struct admission_options){0};
    if ((*admission)->options.queue_size > 0)
        shorten_waits(*admission);
    admission_wake(*admission);
}

static bool is_limit_same(const struct gate_options *one, const struct gate_options *other)
{
    return one->min == other->min && one->max == other->max && one->initial == other->initial &&
           one->window_ms == other->window_ms && one->tolerance == other->tolerance &&
           one->is_report_only == other->is_report_only;
}

bool admission_is(const struct admission *admission, const struct admission_options *options)
{
    static const struct admission_options NONE = {.has_limit = false};
    const struct admission_options *one = admission != NULL ? &admission->options : &NONE;
    const struct admission_options *other = options != NULL ? options : &NONE;

    return one->has_limit == other->has_limit && is_limit_same(&one->limit, &other->limit) &&
           one->queue_size == other->queue_size && one->queue_seconds == other->queue_seconds &&
           one->order == other->order && one->is_queue_report_only == other->is_queue_report_only;
}

void admission_destroy(struct admission **admission)
{
    struct admission *gone = *admission;

    *admission = NULL;
    if (gone == NULL)
        return;
    assert(gone->count == 0);
    timeout_stop(&gone->tick);
    list_remove(&gone->serve.node);
    free(gone);
}

/* ---- of a worker ---- */

static void on_bell(struct ev_loop *ev, ev_io *bell, int events)
{
    struct clusters *clusters = bell->data;

    if (!bells_hear(bell->fd))
        return;
    for (struct list *at = clusters->admissions.next; at != &clusters->admissions; at = at->next)
        admission_wake(CONTAINER_OF(at, struct admission, node));
}

void admissions_listen(struct clusters *clusters, const struct gates *gates)
{
    int bell = gates_bell(gates);

    clusters->gates = gates;
    if (bell < 0)
        return;
    ev_io_init(&clusters->bell, on_bell, bell, EV_READ);
    clusters->bell.data = clusters;
    ev_io_start(clusters->loop->ev, &clusters->bell);
    ev_unref(clusters->loop->ev); /* waiting for others alone keeps no loop running */
}

void admissions_unlisten(struct clusters *clusters)
{
    if (!ev_is_active(&clusters->bell))
        return;
    ev_ref(clusters->loop->ev);
    ev_io_stop(clusters->loop->ev, &clusters->bell);
}
