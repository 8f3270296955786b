/*
 * stream_tls — the TLS side of a stream, as the handshake and the records share it.
 *
 * Nobody but the files of a stream includes this.
 */
#pragma once

#include "net/stream_internal.h"

struct stream_tls {
    struct stream *stream;
    struct tls_context *context;
    SSL *ssl;
    char *server_name; /* server side: asked for, in lower case; may be NULL */
    char *session_key; /* client side: what resumable sessions are kept under; may be NULL */
    stream_handshaken *handshaken; /* not NULL exactly during the handshake */
    void *handshaken_data;
    int handshake_wants;        /* SSL_ERROR_WANT_READ or SSL_ERROR_WANT_WRITE */
    struct loop_deferred again; /* calls a reader that left bytes inside */
    size_t unsent;              /* bytes of the record that OpenSSL holds for the next write */
    char *held;                 /* tickets that wait, see stream_bio.h; NULL: none */
    size_t held_length;
    bool has_socket_ended;
    bool is_broken; /* no SSL function may be called but SSL_free */
    bool is_write_broken;
    bool is_drained; /* the last read took all that OpenSSL and the socket had */
    bool has_news;   /* the next read has an end or a failure to tell, or must be repeated */
    bool read_wants_write;
    bool is_closing; /* close_notify is yet to be said, FIN after it */
};

struct stream_tls *stream_tls_create(struct stream *stream, struct tls_context *context, SSL *ssl);
/* Takes the handshake as far as it goes; calls `handshaken` at its end, which may destroy the
 * stream. */
void stream_tls_shake_hands(struct stream *stream);
