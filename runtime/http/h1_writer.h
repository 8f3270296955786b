/*
 * h1_writer — heads, chunks and trailers as HTTP/1.1 bytes, into a buffer.
 *
 * Framing comes from the message's body, connection fields from the arguments;
 * fields flagged hop-by-hop or framing in the table are never written. Names are
 * written as they are stored, our own in lower case. What is written is not checked:
 * names and values came through a scanner, or headers_is_name() and headers_is_value().
 *
 * Each function writes all of it or nothing, and returns false when the buffer's maximum
 * has no room (a head is given up to 128 bytes more room than it takes).
 */
#pragma once

#include "base/buffer.h"
#include "http/message.h"

enum h1_writer_connection { H1_WRITER_KEEP_ALIVE, H1_WRITER_CLOSE };

/*
 * Origin-form target from path and query (`*` as it is; authority-form for CONNECT). `upgrade`
 * writes Connection and Upgrade, `accepts_trailers` writes "te: trailers" with its nomination.
 */
bool h1_writer_request(struct buffer *out, const struct request *request,
                       enum h1_writer_connection connection);
/*
 * `to_minor_version`: of the client. A BODY_STREAMED answer to 1.0 is written without chunking and
 * with "connection: close", for it ends with the connection. H1_WRITER_KEEP_ALIVE adds
 * "connection: keep-alive" for 1.0; H1_WRITER_CLOSE adds "connection: close". BODY_NONE writes
 * Content-Length only where content_length is known (HEAD, 304): an empty answer is BODY_LENGTH
 * of 0. 1xx have no framing; 101 gets Connection and Upgrade.
 */
bool h1_writer_response(struct buffer *out, const struct response *response,
                        unsigned to_minor_version, enum h1_writer_connection connection);
/* "1f4\r\n" before data of that length, above 0; the data and h1_writer_chunk_end() follow. */
bool h1_writer_chunk_start(struct buffer *out, uint64_t length);
bool h1_writer_chunk_end(struct buffer *out);
/* The last chunk with trailers (NULL: none) but those fields that may not stand there. */
bool h1_writer_last_chunk(struct buffer *out, const struct headers *trailers);
