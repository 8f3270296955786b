/*
 * fake_protocol — a protocol for specs: its sessions say what the spec tells them to say.
 *
 * Sessions and streams are numbered from 1 in the order in which they were opened; numbers of what
 * is gone are still valid and do nothing.
 */
#pragma once

#include "http/http_session.h"

#define FAKE_STREAMS_MAX 512

extern const struct http_protocol FAKE_PROTOCOL;

/* Forgets all; of sessions made from now on: how many streams at once, and whether a head is really
 * written. */
void fake_reset(unsigned capacity, bool writes_heads);
/* From now on send_data takes what it is given, but says "enough". */
void fake_block(bool is_blocked);

unsigned fake_sessions_opened(void);
unsigned fake_sessions_alive(void);
unsigned fake_streams_opened(void);
/* Of stream `number`: the session that it is on, 0 once it was released. */
unsigned fake_session_of(unsigned number);
/* What went into stream `number`: "GET /x|body|$" with '$' for the end; "P" and "R" for pause and
 * resume. */
const char *fake_sent(unsigned number);

void fake_tell_sent(unsigned number);
void fake_tell_writable(unsigned number);
void fake_informational(unsigned number, int status);
void fake_respond(unsigned number, int status);
void fake_data(unsigned number, const char *text);
void fake_end(unsigned number);
void fake_fail(unsigned number, enum fault fault);
/* The peer closes the connection: streams fail as FAULT_UPSTREAM_CLOSED. */
void fake_hang_up(unsigned session);
