/*
 * control — the socket on which a master is asked for its state and told what to do.
 *
 * A request is one line of at most CONTROL_REQUEST_BYTES_MAX: a verb, and "json" behind a space
 * where the answer is for programs; where more words follow, "json" or "text" before them. What
 * comes back is any number of lines "wait SECONDS", each of which says how long the rest may take
 * from there on, then "done" or "failed" on a line, then text to the end of the stream; or "again"
 * on a line: another gateway answers there now.
 *
 * Only root and the user whom the master runs as are heard. A client that says nothing, reads
 * nothing or asks for too much is cut off; of more than CONTROL_CLIENTS_MAX those go first who have
 * said nothing for the longest time.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"
#include "server/control_door.h"

#define CONTROL_CLIENTS_MAX       16
#define CONTROL_REQUEST_BYTES_MAX 1024
#define CONTROL_ANSWER_BYTES_MAX  ((size_t)4 << 20)
/* For a request to be complete, and for an answer to be taken. */
#define CONTROL_SECONDS_MAX 5.0

struct control;
struct control_client;
struct loop;

/* A line, without its end, valid during the call. control_answer() has to follow once, now or
 * later, unless the control is closed first. */
typedef void control_request(void *data, struct control_client *client, struct slice request);

/* The sockets of the configuration's gateway; `*control` is NULL, with a sentence, unless they were
 * opened. A gateway can do without, but is not to run where another one has them. Those that
 * `inherited`, which may be NULL, has of them are moved out of it. */
enum control_opening control_open(const char *config_path, struct control_doors *inherited,
                                  struct control **control, char error[CONTROL_ERROR_BYTES]);
/* The sockets, borrowed, for another gateway to take over. */
const struct control_doors *control_doors_of(const struct control *control);
/* Whether the gateway before has not closed its own: it was killed, or the system was. */
bool control_follows_crash(const struct control *control);
/* Hears requests from now on; those who came before have waited. */
void control_serve(struct control *control, struct loop *loop, control_request *on_request,
                   void *data);
/* Another gateway hears requests from now on. Clients without an answer are told to ask again,
 * also those for whom control_answer() is still to follow. */
void control_hand_over(struct control *control);
/* Takes the files away, unless another gateway has them. Clients without an answer see the stream
 * end. Clears `*control`. */
void control_close(struct control **control);
/* Instead of control_serve(): what was inherited stays another gateway's. */
void control_give_up(struct control **control);
/* In a forked child: closes descriptors, the files stay. */
void control_abandon(struct control **control);

bool control_wants_json(const struct control_client *client);
/* What follows in the request; maybe empty. */
struct slice control_words(const struct control_client *client);
/* Tells the client how long the answer may take. */
void control_promise(struct control_client *client, double seconds);
void control_answer(struct control_client *client, bool is_done, struct slice text);
/* The same answer for all who wait for one. */
void control_answer_all(struct control *control, bool is_done, struct slice text,
                        struct slice json);
