/*
 * connector — one attempt to reach one address: TCP or unix connect, then TLS where asked for.
 */
#pragma once

#include "base/fault.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/stream.h"

struct connector;

struct connector_options {
    struct address address;
    struct tls_context *tls; /* NULL: plain. Borrowed until done. */
    const char *server_name; /* SNI and the name to verify; copied */
    double timeout;          /* seconds for connect and handshake together; 0: the kernel's */
};

/*
 * With FAULT_NONE the stream, attached to nobody, is the callee's; else NULL, with a text for the
 * log that is borrowed during the call. FAULT_UPSTREAM_REFUSED, _UNROUTABLE, _CONNECT_TIMEOUT,
 * _LIMIT (of descriptors or ports on this side), _TLS or _CERTIFICATE.
 */
typedef void connector_done(void *data, enum fault fault, struct stream *stream,
                            const char *detail);

/* NULL when `done` was called before this returned. */
struct connector *connector_start(struct loop *loop, const struct connector_options *options,
                                  connector_done *done, void *data);
/* `done` is not called any more. Clears `*connector`, which may be NULL. */
void connector_cancel(struct connector **connector);
