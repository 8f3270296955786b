/*
 * h1_writer — heads, chunks and trailers as HTTP/1.1 bytes, into a buffer.
 *
 * Framing comes from the message's body, connection fields from the arguments;
 * fields flagged hop-by-hop or framing in the table are never written.
 */
#pragma once

#include "base/buffer.h"
#include "http/message.h"

enum h1_writer_connection { H1_WRITER_KEEP_ALIVE, H1_WRITER_CLOSE };

/* Origin-form target from path and query (`*` and authority-form as they are). False when the buffer's maximum does not hold it. */
bool h1_writer_request(struct buffer *out, const struct request *request,
                       enum h1_writer_connection connection);
/*
 * `to_minor_version`: of the client. A BODY_STREAMED answer to 1.0 is written without chunking, ended by close. `keeps_alive` adds
 * "connection: keep-alive" for 1.0; H1_WRITER_CLOSE adds "connection: close". 1xx have no framing; 101 gets Connection and Upgrade.
 */
bool h1_writer_response(struct buffer *out, const struct response *response,
                        unsigned to_minor_version, enum h1_writer_connection connection);
/* "1f4\r\n" before data of that length; the data and h1_writer_chunk_end() follow. */
bool h1_writer_chunk_start(struct buffer *out, uint64_t length);
bool h1_writer_chunk_end(struct buffer *out);
/* The last chunk with trailers, which may be NULL or empty. */
bool h1_writer_last_chunk(struct buffer *out, const struct headers *trailers);
