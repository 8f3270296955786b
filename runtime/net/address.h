/*
 * address — where a socket is or goes: IPv4, IPv6 or a unix socket's path.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/slice.h"

/* Longest text of an address: a unix path with its "unix:" prefix. */
#define ADDRESS_TEXT_BYTES 128

struct address {
    socklen_t length;   /* 0: unknown */
    bool both_families; /* ":80": `v6` is unspecified, and a listening socket takes v4 too */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
    };
};

/*
 * An address block in CIDR notation (RFC 4632). v4-mapped v6 addresses count as v4 on both
 * sides: "10.0.0.0/8" has ::ffff:10.0.0.1, "::/0" does not.
 */
struct address_block {
    unsigned char bytes[16];
    int family; /* AF_INET or AF_INET6 */
    unsigned bits;
};

/*
 * What operators write: "127.0.0.1:80", "[::1]:80", ":80" (all interfaces, v6 and v4),
 * "unix:/path" (absolute; no abstract names). Ports are 0 to 65535 without leading
 * zeros. False when it is none of these; names do not resolve here.
 */
bool address_parse(struct slice text, struct address *address);
/* "192.0.2.1" or "2001:db8::1" without a port; false for anything else. */
bool address_parse_host(struct slice host, uint16_t port, struct address *address);
/*
 * From what accept() and getpeername() fill in; more than fits or another family gives "unknown".
 */
void address_from_socket(const struct sockaddr *socket_address, socklen_t length,
                         struct address *address);

/*
 * "192.0.2.1:80", "[2001:db8::1]:80", ":80", "unix:/path", "unix" (unnamed, as clients of unix
 * sockets are) or "unknown". v4-mapped v6 is written as v4. Writes to and returns a slice of
 * `text`.
 */
struct slice address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES]);
/*
 * Without the port, no brackets: "192.0.2.1", "2001:db8::1", "unix". v4-mapped v6 is written as
 * v4.
 */
struct slice address_format_host(const struct address *address, char text[ADDRESS_TEXT_BYTES]);
/* 0 for what has none. */
uint16_t address_port(const struct address *address);
/* Only this machine can be there: 127.0.0.0/8, ::1, any unix socket. */
bool address_is_loopback(const struct address *address);
/* Same host and port, or same path; v4-mapped v6 equals its v4. Unknown ones equal nothing. */
bool address_equals(const struct address *one, const struct address *other);

/*
 * "10.0.0.0/8", "2001:db8::/32" or a single address. False when malformed or bits beyond the
 * prefix are set.
 */
bool address_block_parse(struct slice text, struct address_block *block);
bool address_block_contains(const struct address_block *block, const struct address *address);
/* The block of that address alone; false when it has no host. */
bool address_block_of(const struct address *address, struct address_block *block);
