/*
 * gather_answer — requests that are answered by what a gather makes of its parts, without Lua.
 *
 * Lua tells once what a route's answer is like, where nothing is done for a request but that. From
 * then on C asks for the parts, and gives the answer when all of them are there. Where one is not,
 * Lua runs the request phase as ever, and finds there what has been asked already.
 */
#pragma once

#include <stdbool.h>

struct decision;
struct exchange;

/*
 * Asks for all parts of the exchange's route; `settled` is called once, later, when all have ended
 * or a required one has failed, unless it is cancelled before. False: Lua is to run the request
 * phase, now.
 */
bool gather_answer_begin(struct exchange *exchange, void (*settled)(struct exchange *exchange));
/* Once settled. Whether decision_reply() is the answer now; else Lua is to run the request phase.
 */
bool gather_answer_end(struct exchange *exchange);
/* Breaks it off, where it waits. */
void gather_answer_cancel(struct decision *decision);
