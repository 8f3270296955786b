/*
 * service_manager — one line each; without a service manager nothing is sent.
 *
 * The library is loaded where there is one only: with it come seven others, and every process would
 * begin by putting them in place, `moongate reload` too.
 */
#include "server/service_manager.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"

/* Its name as long as its functions are what they are. */
#define LIBRARY "libsystemd.so.0"
/* Where there is a service manager that wants to be told (sd_notify(3)). */
#define SOCKET_VARIABLE "NOTIFY_SOCKET"
#define LINE_BYTES_MAX  64

static void notify(const char *line)
{
    if (getenv(SOCKET_VARIABLE) == NULL)
        return;
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    __typeof__(sd_notify) *tell = NULL;
    if (library != NULL)
        *(void **)&tell = dlsym(library, "sd_notify");
    if (tell == NULL)
        log_write(LOG_WARNING, "%s is set, but systemd cannot be told: %s", SOCKET_VARIABLE,
                  dlerror());
    else
        tell(0, line);
}

void service_manager_tell_ready(void)
{
    notify("READY=1");
}

void service_manager_tell_stopping(void)
{
    notify("STOPPING=1");
}

void service_manager_tell_successor(pid_t pid)
{
    char line[LINE_BYTES_MAX];

    snprintf(line, sizeof(line), "MAINPID=%d", (int)pid);
    notify(line);
}
