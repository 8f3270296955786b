/*
 * service_manager — one line each; without a service manager nothing is sent.
 */
#include "server/service_manager.h"

#include <systemd/sd-daemon.h>

void service_manager_tell_ready(void)
{
    sd_notify(0, "READY=1");
}

void service_manager_tell_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void service_manager_tell_successor(pid_t pid)
{
    sd_notifyf(0, "MAINPID=%d", (int)pid);
}
