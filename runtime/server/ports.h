/*
 * ports — waits for the ports of a gateway that has crashed.
 *
 * Its workers hear of their master's death at once and give them back, unless they are stuck: then
 * it takes as long as a turn of the loop may (server/orphan.h).
 */
#pragma once

struct plan;

/* On top of that. */
#define PORTS_MARGIN_SECONDS 3.0

/* Until no address of the plan is in use, or for as long as it could take: whoever has one then is
 * somebody else. */
void ports_await(const struct plan *plan);
