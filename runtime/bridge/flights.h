/*
 * flights — what the plugins of a worker are finding out for all, and who waits for it.
 *
 * A flight (shm/values.h) is begun and ended by Lua, by its number. One that is not ended in time
 * is given up here, since a coroutine may be cancelled and never run again; others may begin anew
 * then. Who waits is told as of answers that are being filled, whatever worker fills them, or dies.
 */
#pragma once

#include "net/loop.h"
#include "shm/values.h"

#define FLIGHTS_MAX 65535

struct flights;
struct task;

struct flights *flights_create(struct loop *loop, struct values *values);
/* Gives up all. After the last task that waits. */
void flights_destroy(struct flights **flights);

/* A number above 0; FLIGHT_TAKEN: somebody finds it out already; FLIGHT_UNSHARED: nobody can be
 * told. Given up after `seconds`. */
#define FLIGHT_TAKEN    0
#define FLIGHT_UNSHARED (-1)
double flights_begin(struct flights *flights, const struct value_change *change, bool renews,
                     double seconds);
/* As values_land(); false, too, for one that was given up. */
bool flights_end(struct flights *flights, double number, const struct value *value);
/* What it fills; false for one that has ended. */
bool flights_hold(struct flights *flights, double number, struct object_hold *hold);
struct values *flights_values(const struct flights *flights);
struct loop *flights_loop(const struct flights *flights);
