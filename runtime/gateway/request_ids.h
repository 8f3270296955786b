/*
 * request_ids — random ids for requests, made from random bytes that are fetched many at a time.
 *
 * A call of OpenSSL's generator costs more than most plugins, whatever it is asked for. Whoever
 * cannot see the process's memory cannot guess the next one.
 */
#pragma once

#include <stddef.h>

#define REQUEST_ID_BYTES      ((size_t)16)
#define REQUEST_ID_TEXT_BYTES ((size_t)2 * REQUEST_ID_BYTES)
#define REQUEST_IDS_AT_A_TIME 128

struct request_ids {
    unsigned char random[REQUEST_ID_BYTES * REQUEST_IDS_AT_A_TIME];
    size_t left; /* ids in it that have not been used; 0 at first */
};

/* 32 lower-case hex digits, no terminator. Ends the process when there is no randomness to be had.
 */
void request_ids_next(struct request_ids *ids, char text[REQUEST_ID_TEXT_BYTES]);
