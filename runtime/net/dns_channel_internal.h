/*
 * dns_channel_internal — what a channel consists of, for the files that ask c-ares through one.
 */
#pragma once

#include <ares.h>

#include "base/list.h"
#include "net/dns_channel.h"

struct dns_channel {
    struct loop *loop;
    ares_channel ares;
    ev_timer deadline;
    struct list sockets; /* struct dns_socket */
    bool is_closing;
};

/* After each call into c-ares: its next deadline may have changed. */
void dns_channel_set_deadline(struct dns_channel *channel);
/* Of a status of c-ares. */
enum dns_outcome dns_channel_outcome(int status);
