/*
 * held_slots — slots of what goes on at once (shm/slots.h) that exchanges have until they end.
 */
#pragma once

#include "gateway/exchange.h"
#include "shm/slots.h"

/* As slots_take(); given back with the exchange's arena. */
enum slots_outcome held_slots_take(struct exchange *exchange, uint64_t key, uint32_t limit,
                                   uint32_t *used);
