/*
 * service_manager — what systemd is told, where it has started us: when we serve, when we stop, who
 * serves in our place (sd_notify(3), the unit's Type=notify).
 */
#pragma once

#include <sys/types.h>

void service_manager_tell_ready(void);
void service_manager_tell_stopping(void);
/* That process is the service from now on; it need not tell that it is ready. */
void service_manager_tell_successor(pid_t pid);
