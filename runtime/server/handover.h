/*
 * handover — what a gateway gives to the one that takes its place: sockets, memory, counts,
 * secrets.
 *
 * A row of messages, each a word and what belongs to it, so that programs of different versions
 * understand each other: a word that one of them does not know is passed over.
 */
#pragma once

#include "net/tls_context.h"
#include "server/control_door.h"
#include "server/sockets.h"

struct channel;

struct handover {
    /* What both of these hold of a listener has the same place. */
    struct sockets sockets;
    struct plan plan; /* of its listeners the addresses, nothing else */
    struct control_doors doors;
    int memory_fd;    /* shared_adopt(); -1: none */
    unsigned side;    /* shared->side */
    int lifeline_fd;  /* reads the end of the stream when its last process has ended; -1: none */
    bool has_tickets; /* the secret below is known */
    unsigned char tickets[TLS_TICKET_SECRET_BYTES];
    uint64_t generation, succeeded, failed; /* of its history */
    double drain_seconds;                   /* that its requests have to finish in; 0: unknown */
};

/* All is borrowed. False, with errno, when the other end is gone or does not read. */
bool handover_send(const struct handover *handover, const struct channel *channel);
/* Waits for all of it, at most `seconds`. What came is the caller's to clear, also when it was not
 * all: false. */
bool handover_receive(struct handover *handover, struct channel *channel, double seconds);
/* Closes what has not been taken, and is not -1 since. The doors are not locked up: they are those
 * of a gateway that runs. */
void handover_clear(struct handover *handover);
