/*
 * stream_bio — a stream's socket as OpenSSL sees it.
 *
 * The tickets that a handshake ends with wait for what is written next, so that they are no
 * segment, and wake nobody, of their own (RFC 8446, 4.6.1: at any time after it). Nobody but the
 * files of a stream includes this.
 */
#pragma once

#include <openssl/bio.h>

#include "net/stream_tls.h"

/* Belongs to the SSL that it is given to, and ends before `tls` does. */
BIO *stream_bio_create(struct stream_tls *tls);
