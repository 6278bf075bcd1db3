/* SPDX-License-Identifier: BSD-3-Clause */
/* What a service manager passes to a daemon: a listening socket, a readiness socket, a limit of
 * open files. */
#ifndef CHAOS_BASE_SERVICE_H
#define CHAOS_BASE_SERVICE_H

/* The listening socket that was passed, as by sd_listen_fds(3): non-blocking and close-on-exec;
 * -1 if there is none, or more than one. */
int service_socket(void);
/* sd_notify(3) without the library: "READY=1", "STOPPING=1". Does nothing if NOTIFY_SOCKET is
 * not in the environment. */
void service_notify(const char *text);
/* Raises the limit of open files as far as the system allows. */
void service_raise_files(void);

#endif
