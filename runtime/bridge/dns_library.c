/*
 * dns_library — what name servers say, for who makes lists of it: the library "moongate.core.dns".
 */
#include <lauxlib.h>

#include "base/mem.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "net/dns_records.h"

#define NAME_BYTES_MAX  254
#define SERVICE_NUMBERS 4 /* in the list: host, port, priority, weight */

struct dns_wait {
    struct task *task;
    struct loop *loop;
    struct dns_records_query *query;
};

static void push_addresses(lua_State *thread, const struct dns_records *records)
{
    char text[ADDRESS_TEXT_BYTES];

    lua_createtable(thread, (int)records->count, 0);
    for (size_t i = 0; i < records->count; i++) {
        struct slice host = address_format_host(&records->addresses[i], text);
        lua_pushlstring(thread, host.start, host.length);
        lua_rawseti(thread, -2, (int)i + 1);
    }
}

static void push_services(lua_State *thread, const struct dns_records *records)
{
    lua_createtable(thread, (int)records->count * SERVICE_NUMBERS, 0);
    for (size_t i = 0; i < records->count; i++) {
        const struct dns_service *service = &records->services[i];
        const int numbers[] = {service->port, service->priority, service->weight};
        int at = (int)i * SERVICE_NUMBERS;
        lua_pushstring(thread, service->host);
        lua_rawseti(thread, -2, ++at);
        for (size_t j = 0; j < ARRAY_LENGTH(numbers); j++) {
            lua_pushinteger(thread, numbers[j]);
            lua_rawseti(thread, -2, ++at);
        }
    }
}

static void on_found(void *data, const struct dns_records *records)
{
    struct dns_wait *wait = data;
    struct task *task = wait->task;
    struct loop *loop = wait->loop;
    lua_State *thread = task_thread(task);

    free(wait);
    if (records->outcome == DNS_ABSENT) {
        lua_pushboolean(thread, false);
        lua_pushnil(thread);
    } else if (records->outcome != DNS_FOUND) {
        lua_pushnil(thread);
        lua_pushstring(thread, records->outcome == DNS_TIMED_OUT ? "no name server answered"
                                                                 : "no name server could tell");
    } else {
        if (records->addresses != NULL)
            push_addresses(thread, records);
        else
            push_services(thread, records);
        lua_pushnumber(thread, records->ttl);
    }
    lua_pushinteger(thread, records->untold_family == AF_INET6  ? 6
                            : records->untold_family == AF_INET ? 4
                                                                : 0);
    task_resume(task, 3);
    loop_flush(loop);
}

static void on_cancel(void *data)
{
    struct dns_wait *wait = data;

    dns_records_cancel(&wait->query);
    free(wait);
}

static int ask(lua_State *thread, enum dns_records_kind kind)
{
    size_t length;
    const char *name = luaL_checklstring(thread, 1, &length);
    luaL_argcheck(thread, length > 0 && length <= NAME_BYTES_MAX, 1, "no name");
    struct task *task = task_awaiting(thread);
    const struct services *services = task_generation(task)->services;
    struct dns_wait *wait = mem_zeroed(sizeof(*wait));

    wait->task = task;
    wait->loop = services->loop;
    wait->query = dns_records_ask(resolver_channel(services->resolver), kind, name, on_found, wait);
    return task_suspend(task, on_cancel, wait);
}

/* (name): its addresses as texts, seconds for which they hold, and which IP version is not among
 * them since nobody could tell, else 0; false: it has none; nil and why. */
static int addresses(lua_State *thread)
{
    return ask(thread, DNS_ADDRESSES);
}

/* (name): host, port, priority, weight of each service in turn, seconds; false: there is none; nil
 * and why. */
static int services(lua_State *thread)
{
    return ask(thread, DNS_SERVICES);
}

const luaL_Reg DNS_LIBRARY[] = {{"addresses", addresses}, {"services", services}, {NULL, NULL}};
