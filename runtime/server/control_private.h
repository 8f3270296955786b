/*
 * control_private — what the control socket knows, for its own files alone.
 */
#pragma once

#include <ev.h>

#include "base/buffer.h"
#include "base/list.h"
#include "server/control.h"

/* One socket, on which clients come. */
struct entrance {
    struct control *control;
    int fd; /* the door's */
    ev_io accepts;
};

struct control {
    struct loop *loop; /* NULL until it serves */
    struct control_doors doors;
    struct entrance entrances[CONTROL_NAMES_MAX];
    control_request *on_request;
    void *data;
    struct list clients;
    unsigned client_count;
    ev_timer pause; /* active while nobody is accepted */
    bool is_handed_over;
};

struct control_client {
    struct list node;
    struct control *control;
    int fd;
    ev_io reads, writes;
    ev_timer deadline;
    bool is_asking; /* between on_request and its answer */
    bool wants_json;
    struct slice words; /* of the request, behind the verb and how it is to be answered */
    char request[CONTROL_REQUEST_BYTES_MAX];
    size_t request_length;
    struct buffer answer;
};

/* The descriptor is taken over. */
void control_client_add(struct control *control, int fd);
void control_client_close(struct control_client *client);
/* Another gateway answers; the client may be closed by it. */
void control_client_send_away(struct control_client *client);
