/*
 * dial — making a connection to a target: its name resolved, its addresses tried in turn.
 *
 * Embedded in who wants the connection, so that it costs no memory of its own. All of it together
 * takes at most `timeout` seconds, shared out over the addresses that are left.
 */
#pragma once

#include "net/connector.h"
#include "net/resolver.h"
#include "net/timeout.h"
#include "net/tls_context.h"

/* Of a name's addresses, how many one dial tries. */
#define DIAL_ADDRESSES_MAX 3

struct dial_options {
    struct loop *loop;
    struct resolver *resolver;
    const char *host; /* or path of a unix socket */
    uint16_t port;
    unsigned turn;           /* which of the addresses comes first, modulo their number */
    struct tls_context *tls; /* NULL: plain; acquired while it lasts */
    const char *server_name; /* borrowed while it lasts; NULL: the host */
    double timeout;          /* seconds; 0: DIAL_SECONDS */
};

#define DIAL_SECONDS 5.0

/* With FAULT_NONE the stream is the callee's. The dial is over: its memory may go, and it may be
 * started again. */
typedef void dial_done(void *data, enum fault fault, struct stream *stream, const char *detail);

struct dial {
    struct dial_options options;
    dial_done *done; /* NULL when not under way */
    void *data;
    double deadline;
    struct resolver_query *query;
    struct connector *connector;
    struct timeout timeout; /* of the query */
    struct address addresses[DIAL_ADDRESSES_MAX];
    size_t address_count, address_next;
};

/* Before anything else is done with it. */
void dial_init(struct dial *dial);
bool dial_is_active(const struct dial *dial);
/* `done` is called once, maybe before this returns. */
void dial_start(struct dial *dial, const struct dial_options *options, dial_done *done, void *data);
/* Harmless when it is not under way. */
void dial_cancel(struct dial *dial);
