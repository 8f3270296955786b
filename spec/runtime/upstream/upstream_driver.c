/*
 * upstream_driver — a loop, its clusters and calls on them, in words that a spec can say through
 * the FFI.
 *
 * What a call tells its user is written down in a text: "response 200, data abc, end, ". An event
 * that comes while the user is calling the call is written in capitals, for it must not.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "fake_protocol.h"
#include "http/h1_protocol.h"
#include "net/resolver.h"
#include "net/timeout.h"
#include "shm/shared.h"
#include "upstream/call.h"
#include "upstream/cluster_parts.h"
#include "upstream/retry.h"

struct driver {
    struct loop *loop;
    struct resolver *resolver;
    struct clusters *clusters;
    struct cluster_options options;
    struct call_options call;
    struct cluster_target_options targets[1024];
    char hosts[1024][128];
    struct shared shared; /* see driver_share() */
    bool is_timed_out;
    char text[131072];
};

struct driven_call {
    struct driver *driver;
    struct http_stream *stream;
    struct call_options options;
    char record[512];
    struct arena arena;
    struct request request;
    bool is_calling, releases_itself;
    struct driven_call *successor; /* begins in the same moment in which this one ends */
    char text[4096];
};

struct driver *driver_create(void);
void driver_destroy(struct driver *driver);
void driver_set(struct driver *driver, const char *name, double value);
void driver_speak_http1(struct driver *driver);
void driver_ask(struct driver *driver, const char *servers);
void driver_encrypt(struct driver *driver, struct tls_context *tls, const char *name);
void driver_target(struct driver *driver, const char *host, int port, unsigned weight);
void driver_forget_targets(struct driver *driver);
struct cluster *driver_acquire(struct driver *driver, const char *name);
struct cluster *driver_prepare(struct driver *driver, const char *name, bool *is_outdated);
void driver_configure(struct driver *driver, struct cluster *cluster);
bool driver_discover(struct driver *driver, struct cluster *cluster);
void driver_release(struct cluster *cluster);
struct cluster *driver_find(struct driver *driver, const char *name);
bool driver_run(struct driver *driver, double seconds);
const char *driver_status(struct driver *driver, struct cluster *cluster);
/* Attempts at that target. */
unsigned driver_under_way(struct cluster *cluster, int target);
int driver_listen(int *port);
void driver_close(int fd);

int driver_crowd(const char *host, int port);
void driver_seed(struct driver *driver, uint64_t seed);
void driver_share(struct driver *driver, const struct shared *shared, unsigned worker);
void driver_believe_probes(struct driver *driver, bool believes);
void driver_place(struct driver *driver, int priority, bool is_backup, bool is_remote);
int driver_decide(enum fault fault, const char *facts);

struct driven_call *driver_call(struct driver *driver, struct cluster *cluster);
void driven_expect(struct driven_call *call);
void driven_request(struct driven_call *call, const char *method, const char *target);
bool driven_data(struct driven_call *call, const char *text);
bool driven_bytes(struct driven_call *call, size_t count);
void driven_end(struct driven_call *call);
void driven_pause(struct driven_call *call);
void driven_resume(struct driven_call *call);
void driven_release_when_told(struct driven_call *call);
void driven_follow(struct driven_call *call, struct driven_call *successor);
bool driven_is_released(struct driven_call *call);
const char *driven_text(struct driven_call *call);
const char *driven_record(struct driven_call *call);
size_t driven_arena_bytes(struct driven_call *call);
void driven_free(struct driven_call *call);

struct driver *driver_create(void)
{
    struct driver *driver = mem_zeroed(sizeof(*driver));
    struct resolver_options options = {0};

    log_configure(LOG_ERROR, LOG_TEXT);
    driver->loop = loop_create();
    driver->resolver = resolver_create(driver->loop, &options);
    driver->clusters = clusters_create(driver->loop, driver->resolver, &HTTP_SESSION_LIMITS);
    driver->options.protocol = &FAKE_PROTOCOL;
    driver->options.idle_connections_max = 64;
    driver->options.retry_budget = 0.2;
    driver->options.retry_budget_min = 3;
    driver->options.targets = driver->targets;
    driver->call = CALL_OPTIONS;
    return driver;
}

void driver_destroy(struct driver *driver)
{
    driver_run(driver, 0.001);
    clusters_destroy(&driver->clusters);
    resolver_destroy(&driver->resolver);
    loop_destroy(&driver->loop);
    fake_reset(1, false);
    free(driver);
}

/* An option of clusters acquired, or of calls started, from now on. */
void driver_set(struct driver *driver, const char *name, double value)
{
    struct cluster_options *cluster = &driver->options;
    struct {
        const char *name;
        unsigned *count;
        double *number;
    } options[] = {
        {"balance", (unsigned *)&cluster->balance, NULL},
        {"connections_max", &cluster->connections_max, NULL},
        {"idle_connections_max", &cluster->idle_connections_max, NULL},
        {"idle_seconds", NULL, &cluster->idle_seconds},
        {"failures_max", &cluster->failures_max, NULL},
        {"set_aside_seconds", NULL, &cluster->set_aside_seconds},
        {"set_aside_seconds_max", NULL, &cluster->set_aside_seconds_max},
        {"slow_start", NULL, &cluster->lineup.slow_start_seconds},
        {"spill", NULL, &cluster->lineup.spill_share},
        {"panic", NULL, &cluster->lineup.panic_share},
        {"hash_bound", NULL, &cluster->hash_bound},
        {"outliers.share", NULL, &cluster->outliers.share},
        {"outliers.slow", NULL, &cluster->outliers.slow_seconds},
        {"outliers.window", NULL, &cluster->outliers.window_seconds},
        {"outliers.requests", &cluster->outliers.requests_min, NULL},
        {"outliers.ejected", NULL, &cluster->outliers.ejected_share_max},
        {"retry_budget", NULL, &cluster->retry_budget},
        {"retry_budget_min", &cluster->retry_budget_min, NULL},
        {"retries", &driver->call.retries, NULL},
        {"call.connect", NULL, &driver->call.connect_seconds},
        {"call.response", NULL, &driver->call.response_seconds},
        {"call.idle", NULL, &driver->call.idle_seconds},
        {"call.total", NULL, &driver->call.total_seconds},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (options[i].count != NULL)
            *options[i].count = (unsigned)value;
        else
            *options[i].number = value;
        return;
    }
    assert(!"no such option");
}

/* Names are asked of these servers; before there are clusters. */
void driver_ask(struct driver *driver, const char *servers)
{
    struct resolver_options options = {.servers = servers};

    clusters_destroy(&driver->clusters);
    resolver_destroy(&driver->resolver);
    driver->resolver = resolver_create(driver->loop, &options);
    driver->clusters = clusters_create(driver->loop, driver->resolver, &HTTP_SESSION_LIMITS);
}

/* Targets of clusters acquired from now on are encrypted; an empty name is none. NULL: plain again.
 */
void driver_encrypt(struct driver *driver, struct tls_context *tls, const char *name)
{
    driver->options.tls = tls;
    driver->options.server_name = slice_from_string(name);
}

/* Clusters acquired from now on speak the real protocol, not the fake one. */
void driver_speak_http1(struct driver *driver)
{
    driver->options.protocol = NULL;
}

/* What probes say counts, whether somebody probes or not. */
void driver_believe_probes(struct driver *driver, bool believes)
{
    driver->options.probes.kind = believes ? PROBE_TCP : PROBE_NONE;
}

void driver_seed(struct driver *driver, uint64_t seed)
{
    driver->clusters->random = seed;
}

/* With what other workers know, as the one of that number; before there are clusters. The shared
 * memory stays the caller's, and outlives the driver. */
void driver_share(struct driver *driver, const struct shared *shared, unsigned worker)
{
    driver->shared = *shared;
    shared_attach(&driver->shared, worker);
    clusters_share(driver->clusters, &driver->shared.counters, &driver->shared.targets);
}

/* Of the target that was described last. */
void driver_place(struct driver *driver, int priority, bool is_backup, bool is_remote)
{
    struct cluster_target_options *target = &driver->targets[driver->options.target_count - 1];

    target->priority = (unsigned)priority;
    target->is_backup = is_backup;
    target->is_remote = is_remote;
}

/* `facts`: letters of what is true: Idempotent, rePlayable, Answer, Sent, Reused, Untouched. */
int driver_decide(enum fault fault, const char *facts)
{
    struct retry_facts table = {
        .fault = fault,
        .is_idempotent = strchr(facts, 'I') != NULL,
        .is_replayable = strchr(facts, 'P') != NULL,
        .has_answer = strchr(facts, 'A') != NULL,
        .was_sent = strchr(facts, 'S') != NULL,
        .is_reused = strchr(facts, 'R') != NULL,
        .is_untouched = strchr(facts, 'U') != NULL,
    };
    return (int)retry_decide(&table);
}

void driver_forget_targets(struct driver *driver)
{
    driver->options.target_count = 0;
}

void driver_target(struct driver *driver, const char *host, int port, unsigned weight)
{
    size_t at = driver->options.target_count++;
    assert(at < ARRAY_LENGTH(driver->targets));
    snprintf(driver->hosts[at], sizeof(driver->hosts[at]), "%s", host);
    driver->targets[at] = (struct cluster_target_options){
        .host = slice_from_string(driver->hosts[at]),
        .port = (uint16_t)port,
        .weight = weight,
        .is_tls = driver->options.tls != NULL,
    };
}

struct cluster *driver_acquire(struct driver *driver, const char *name)
{
    driver->options.name = slice_from_string(name);
    return clusters_acquire(driver->clusters, &driver->options);
}

struct cluster *driver_prepare(struct driver *driver, const char *name, bool *is_outdated)
{
    driver->options.name = slice_from_string(name);
    return clusters_prepare(driver->clusters, &driver->options, is_outdated);
}

void driver_configure(struct driver *driver, struct cluster *cluster)
{
    cluster_configure(cluster, &driver->options);
}

/* The targets alone. */
bool driver_discover(struct driver *driver, struct cluster *cluster)
{
    return cluster_set_targets(cluster, driver->options.targets, driver->options.target_count);
}

void driver_release(struct cluster *cluster)
{
    cluster_release(&cluster);
}

struct cluster *driver_find(struct driver *driver, const char *name)
{
    return clusters_find(driver->clusters, slice_from_string(name));
}

static void on_time(void *data)
{
    ((struct driver *)data)->is_timed_out = true;
}

/* Turns the loop for that long. */
bool driver_run(struct driver *driver, double seconds)
{
    struct timeout timeout;

    driver->is_timed_out = false;
    timeout_init(&timeout, driver->loop, on_time, driver);
    ev_now_update(driver->loop->ev);
    timeout_set(&timeout, seconds);
    while (!driver->is_timed_out)
        loop_run_once(driver->loop);
    timeout_stop(&timeout);
    return true;
}

static void write_status(struct driver *driver, const struct cluster_target_status *status)
{
    size_t length = strlen(driver->text);
    snprintf(driver->text + length, sizeof(driver->text) - length,
             "%.*s w%u busy %u idle %u failures %u%s attempts %u errors %u\n",
             SLICE_FORMAT(status->address), status->weight, (unsigned)status->connections_busy,
             (unsigned)status->connections_idle, status->failures,
             status->is_set_aside ? " aside" : "", (unsigned)status->attempts,
             (unsigned)status->errors);
}

const char *driver_status(struct driver *driver, struct cluster *cluster)
{
    struct cluster_target_status status;

    driver->text[0] = '\0';
    for (size_t i = 0; cluster_inspect(cluster, i, &status); i++)
        write_status(driver, &status);
    return driver->text;
}

unsigned driver_under_way(struct cluster *cluster, int target)
{
    struct cluster_target_status status;

    return cluster_inspect(cluster, (size_t)target, &status) ? (unsigned)status.active : 0;
}

/* A socket that the kernel accepts connections on; nobody reads them. */
int driver_listen(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 512) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        abort();
    *port = ntohs(address.sin_port);
    return fd;
}

/* A connection that is begun, and may wait in the other side's queue for ever. */
int driver_crowd(const char *host, int port)
{
    struct address address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || !address_parse_host(slice_from_string(host), (uint16_t)port, &address))
        abort();
    if (connect(fd, &address.any, address.length) != 0 && errno != EINPROGRESS)
        abort();
    return fd;
}

void driver_close(int fd)
{
    close(fd);
}

static void say(void *data, const char *format, int number, struct slice bytes)
{
    struct driven_call *call = data;
    char line[256];

    snprintf(line, sizeof(line), format, number, SLICE_FORMAT(bytes));
    for (char *c = line; call->is_calling && *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    size_t length = strlen(call->text);
    snprintf(call->text + length, sizeof(call->text) - length, "%s, ", line);
    if (call->releases_itself && call->stream != NULL) {
        driven_record(call);
        http_stream_release(&call->stream);
        arena_reset(&call->arena);
    }
}

static void on_informational(void *data, struct response *response)
{
    say(data, "informational %d", response->status, SLICE_NONE);
}

static void on_response(void *data, struct response *response)
{
    say(data, "response %d", response->status, SLICE_NONE);
}

static void on_data(void *data, struct slice bytes)
{
    say(data, "data%.0d %.*s", 0, bytes);
}

static void on_end(void *data)
{
    struct driven_call *call = data;

    say(data, "end", 0, SLICE_NONE);
    if (call->successor == NULL)
        return;
    driven_record(call);
    http_stream_release(&call->stream);
    arena_reset(&call->arena);
    driven_request(call->successor, "GET", "/successor");
    driven_end(call->successor);
}

static void on_writable(void *data)
{
    say(data, "writable", 0, SLICE_NONE);
}

static void on_sent(void *data)
{
    say(data, "sent", 0, SLICE_NONE);
}

static void on_failed(void *data, enum fault fault)
{
    say(data, "failed%.0d %.*s", 0, slice_from_string(fault_type(fault)));
}

static const struct http_stream_events EVENTS = {
    .on_informational = on_informational,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_sent = on_sent,
    .on_failed = on_failed,
};

struct driven_call *driver_call(struct driver *driver, struct cluster *cluster)
{
    struct driven_call *call = mem_zeroed(sizeof(*call));

    call->driver = driver;
    call->options = driver->call;
    arena_init(&call->arena);
    call->stream = call_start(cluster, &call->options, &EVENTS, call, &call->arena);
    return call;
}

/* The request, when it is sent, asks for 100-continue. */
void driven_expect(struct driven_call *call)
{
    call->request.expects_continue = true;
}

void driven_request(struct driven_call *call, const char *method, const char *target)
{
    call->request.method_name = slice_from_string(method);
    call->request.method = method_of(call->request.method_name);
    call->request.target = call->request.path = slice_from_string(target);
    call->request.body = call->request.method == METHOD_GET ? BODY_NONE : BODY_STREAMED;
    call->request.content_length = MESSAGE_LENGTH_UNKNOWN;
    call->is_calling = true;
    http_stream_send_request(call->stream, &call->request);
    call->is_calling = false;
}

static bool send_slice(struct driven_call *call, struct slice bytes)
{
    call->is_calling = true;
    bool may_go_on = http_stream_send_data(call->stream, bytes);
    call->is_calling = false;
    return may_go_on;
}

bool driven_data(struct driven_call *call, const char *text)
{
    return send_slice(call, slice_from_string(text));
}

bool driven_bytes(struct driven_call *call, size_t count)
{
    char *bytes = mem_zeroed(count);
    bool may_go_on = send_slice(call, slice_of(bytes, count));
    free(bytes);
    return may_go_on;
}

void driven_end(struct driven_call *call)
{
    call->is_calling = true;
    http_stream_send_end(call->stream, NULL);
    call->is_calling = false;
}

void driven_pause(struct driven_call *call)
{
    http_stream_pause(call->stream);
}

void driven_resume(struct driven_call *call)
{
    call->is_calling = true;
    http_stream_resume(call->stream);
    call->is_calling = false;
}

/* The next event releases the call from within, and its arena is reset at once. */
void driven_release_when_told(struct driven_call *call)
{
    call->releases_itself = true;
}

/* When the call ends it is released, and the request of its successor is sent from within the
 * event. */
void driven_follow(struct driven_call *call, struct driven_call *successor)
{
    call->successor = successor;
}

bool driven_is_released(struct driven_call *call)
{
    return call->stream == NULL;
}

const char *driven_text(struct driven_call *call)
{
    return call->text;
}

/* As of now, or of when the call was released. */
const char *driven_record(struct driven_call *call)
{
    if (call->stream == NULL)
        return call->record;
    const struct call_record *record = call_record(call->stream);
    snprintf(call->record, sizeof(call->record), "%.*s attempts %u%s fault %s sent %u received %u",
             SLICE_FORMAT(record->target), record->attempts, record->is_reused ? " reused" : "",
             fault_type(record->fault), (unsigned)record->bytes_sent,
             (unsigned)record->bytes_received);
    return call->record;
}

size_t driven_arena_bytes(struct driven_call *call)
{
    return call->arena.bytes;
}

void driven_free(struct driven_call *call)
{
    if (call->stream != NULL)
        http_stream_release(&call->stream);
    arena_clear(&call->arena);
    free(call);
}
