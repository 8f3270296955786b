/*
 * object_flow — an answer that cannot be stored any more goes on to those who read along.
 *
 * How long an answer is may be known only at its end, and it may outgrow its limit, or all room,
 * when its beginning has already been told. So a fill of unknown length has two windows: objects of
 * its own, a page each, to which no key leads. When its object cannot take more, what comes is
 * written into one window after the other, and each is written anew when nobody reads what it had
 * before. So readers in all processes get all of it, at the pace of the slowest.
 *
 * A window lives as long as its fill: who has read all of one follows to the next, which is still
 * there while anybody holds the one before. Repair: windows are objects being filled, and end with
 * their filler as such; who follows finds another owner, or none.
 */
#pragma once

#include "shm/object_fill.h"

/* ---- for who fills ---- */

/* Takes the windows. False: there is no room for them. */
bool object_flow_prepare(struct object_store *store, struct object_fill *fill, uint64_t now_ns);
/* The object takes no more, and is no longer found; its readers are led on. Of a fill that has
 * windows, once. */
void object_flow_begin(struct object_store *store, struct object_fill *fill, uint64_t now_ns);
/* How many of the bytes found room now; ask again when a reader has left (object_store_wake_fd), or
 * after a while, since one may have died. */
size_t object_flow_append(struct object_store *store, struct object_fill *fill, struct slice bytes,
                          uint64_t now_ns);
/* There is no more to come. The fill has to last until nobody reads. */
void object_flow_finish(struct object_store *store, struct object_fill *fill);
/* Whether anybody, the filler's own client too, holds what is filled. */
bool object_flow_is_read(const struct object_store *store, const struct object_fill *fill);
/* Gives the windows back. Harmless when there are none. */
void object_flow_clear(struct object_store *store, struct object_fill *fill);

/* ---- for who reads ---- */

/* All of an object that is CONTINUED has been read: holds what follows instead, and reads from its
 * beginning. False: it ended; `hold` is as before. */
bool object_flow_follow(struct object_store *store, struct object_hold *hold,
                        struct object_cursor *cursor);
/* Releases it, and tells who fills. */
void object_flow_leave(struct object_store *store, const struct object_hold *hold);
