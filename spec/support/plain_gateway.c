/*
 * plain_gateway — the core without Lua: forwards every request to one upstream.
 *
 * Shows that gateway/ needs nobody but its phases, and what a request costs before any policy.
 * Usage: plain_gateway LISTEN_ADDRESS UPSTREAM_HOST UPSTREAM_PORT
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "http/h1_protocol.h"

struct setup {
    struct cluster *cluster;
    struct route route;
};

static struct setup *setup_of(const struct exchange *exchange)
{
    return gateway_phases_data(exchange->gateway);
}

static void acquire(struct exchange *exchange)
{
}

static void release(struct exchange *exchange)
{
}

static void request(struct exchange *exchange)
{
    struct setup *setup = setup_of(exchange);
    exchange->route = &setup->route;
    exchange->cluster = setup->cluster;
    exchange->call = CALL_OPTIONS;
    exchange->body_bytes_max = UINT64_MAX;
    exchange_forward(exchange);
}

static void unused(struct exchange *exchange)
{
}

static void unused_chunk(struct exchange *exchange, struct slice chunk, bool last)
{
}

static const struct phases PHASES = {
    .acquire = acquire,
    .release = release,
    .request = request,
    .response = unused,
    .response_chunk = unused_chunk,
    .log = unused,
    .cancel = unused,
};

static struct cluster *make_cluster(struct clusters *clusters, const char *host, const char *port)
{
    struct cluster_target_options target = {
        .host = slice_from_string(host), .port = (uint16_t)strtol(port, NULL, 10), .weight = 1};
    struct cluster_options options = {.name = SLICE("origin"),
                                      .targets = &target,
                                      .target_count = 1,
                                      .idle_connections_max = 256,
                                      .idle_seconds = 60,
                                      .failures_max = 3,
                                      .set_aside_seconds = 5,
                                      .retry_budget = 0.2,
                                      .retry_budget_min = 3};
    return clusters_acquire(clusters, &options);
}

int main(int argc, char **argv)
{
    struct address address;
    char error[LISTENER_ERROR_BYTES], text[ADDRESS_TEXT_BYTES];

    if (argc != 4 || !address_parse(slice_from_string(argv[1]), &address)) {
        fprintf(stderr, "usage: plain_gateway LISTEN_ADDRESS UPSTREAM_HOST UPSTREAM_PORT\n");
        return 2;
    }
    int fd = listener_open(&address, false, 1024, error);
    if (fd < 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    struct loop *loop = loop_create();
    struct resolver *resolver = resolver_create(loop, &(struct resolver_options){0});
    struct clusters *clusters = clusters_create(loop, resolver, &HTTP_SESSION_LIMITS);
    struct setup setup = {.cluster = make_cluster(clusters, argv[2], argv[3]),
                          .route = {.name = SLICE("all"), .allows_upgrade = true}};
    struct gateway_options options = GATEWAY_OPTIONS;
    options.limits = HTTP_SESSION_LIMITS;
    struct gateway *gateway = gateway_create(loop, &options, &PHASES, &setup);
    struct listen_options listen = {.name = slice_from_string(argv[1])};

    gateway_listen(gateway, fd, &listen);
    address.length = sizeof(address.v6);
    getsockname(fd, &address.any, &address.length);
    struct slice bound = address_format(&address, text);
    fprintf(stderr, "listening on %.*s\nready\n", SLICE_FORMAT(bound));
    loop_run(loop);
    return 0;
}
