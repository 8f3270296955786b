/*
 * flights — a table of flights by number, a timer for each.
 */
#include "bridge/flights.h"

#include <assert.h>

#include "base/mem.h"
#include "shm/object_record.h"

#define FLIGHTS_FIRST 16

struct flight {
    struct flights *flights;
    struct value_flight flight;
    ev_timer timer;
    uint32_t serial; /* grows with each use of the place */
    uint32_t index, next_free;
    bool is_taken;
};

struct flights {
    struct loop *loop;
    struct values *values;
    ev_io wake;
    struct flight **all; /* by number; they stay where they are */
    uint32_t count, room, first_free;
};

static uint64_t now_ns(const struct flights *flights)
{
    return (uint64_t)(loop_now(flights->loop) * 1e9);
}

static void on_wake(struct ev_loop *ev, ev_io *wake, int events)
{
    struct flights *flights = wake->data;

    object_store_wake(&flights->values->store);
    loop_flush(flights->loop);
}

struct flights *flights_create(struct loop *loop, struct values *values)
{
    struct flights *flights = mem_zeroed(sizeof(*flights));
    int fd = object_store_wake_fd(&values->store);

    flights->loop = loop;
    flights->values = values;
    flights->first_free = FLIGHTS_MAX;
    ev_io_init(&flights->wake, on_wake, fd, EV_READ);
    flights->wake.data = flights;
    if (fd >= 0) {
        ev_io_start(loop->ev, &flights->wake);
        ev_unref(loop->ev); /* waiting for others alone keeps no loop running */
    }
    return flights;
}

static void leave(struct flights *flights, struct flight *flight)
{
    ev_timer_stop(flights->loop->ev, &flight->timer);
    flight->is_taken = false;
    flight->next_free = flights->first_free;
    flights->first_free = flight->index;
}

static void give_up(struct flights *flights, struct flight *flight)
{
    values_land(flights->values, &flight->flight, now_ns(flights), NULL);
    leave(flights, flight);
}

void flights_destroy(struct flights **pointer)
{
    struct flights *flights = *pointer;

    for (uint32_t i = 0; i < flights->count; i++) {
        if (flights->all[i]->is_taken)
            give_up(flights, flights->all[i]);
        free(flights->all[i]);
    }
    if (ev_is_active(&flights->wake)) {
        ev_ref(flights->loop->ev);
        ev_io_stop(flights->loop->ev, &flights->wake);
    }
    free(flights->all);
    free(flights);
    *pointer = NULL;
}

static void on_late(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct flight *flight = timer->data;
    give_up(flight->flights, flight);
}

/* NULL: there are too many. */
static struct flight *take_place(struct flights *flights)
{
    if (flights->first_free != FLIGHTS_MAX) {
        struct flight *flight = flights->all[flights->first_free];
        flights->first_free = flight->next_free;
        return flight;
    }
    if (flights->count == FLIGHTS_MAX)
        return NULL;
    if (flights->count == flights->room) {
        flights->room = flights->room == 0 ? FLIGHTS_FIRST : 2 * flights->room;
        flights->all = mem_resize(flights->all, flights->room * sizeof(*flights->all));
    }
    struct flight *flight = mem_zeroed(sizeof(*flight));
    flight->flights = flights;
    flight->index = flights->count;
    flight->timer.data = flight;
    flights->all[flights->count++] = flight;
    return flight;
}

/* Exact in a double. */
static double number_of(const struct flight *flight)
{
    return (double)((uint64_t)flight->serial * (FLIGHTS_MAX + 1) + flight->index + 1);
}

static struct flight *find(const struct flights *flights, double number)
{
    uint64_t index = number >= 1 ? ((uint64_t)number - 1) % (FLIGHTS_MAX + 1) : FLIGHTS_MAX;

    if (index >= flights->count)
        return NULL;
    struct flight *flight = flights->all[index];
    return flight->is_taken && number_of(flight) == number ? flight : NULL;
}

double flights_begin(struct flights *flights, const struct value_change *change, bool renews,
                     double seconds)
{
    struct flight *flight = take_place(flights);

    if (flight == NULL)
        return FLIGHT_UNSHARED;
    enum value_claim claimed = values_claim(flights->values, change, renews, &flight->flight);
    flight->serial++;
    flight->is_taken = true;
    ev_timer_init(&flight->timer, on_late, seconds > 0 ? seconds : 0, 0);
    if (claimed == VALUE_CLAIMED) {
        ev_timer_start(flights->loop->ev, &flight->timer);
        return number_of(flight);
    }
    leave(flights, flight);
    return claimed == VALUE_TAKEN ? FLIGHT_TAKEN : FLIGHT_UNSHARED;
}

bool flights_end(struct flights *flights, double number, const struct value *value)
{
    struct flight *flight = find(flights, number);

    if (flight == NULL)
        return false;
    bool is_done = values_land(flights->values, &flight->flight, now_ns(flights), value);
    leave(flights, flight);
    return is_done;
}

bool flights_hold(struct flights *flights, double number, struct object_hold *hold)
{
    const struct flight *flight = find(flights, number);

    if (flight == NULL)
        return false;
    *hold = flight->flight.fill.object.generation != 0 ? flight->flight.fill.object
                                                       : flight->flight.refresh.object;
    return object_store_hold_again(&flights->values->store, hold);
}

struct values *flights_values(const struct flights *flights)
{
    return flights->values;
}

struct loop *flights_loop(const struct flights *flights)
{
    return flights->loop;
}
