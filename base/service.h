/* SPDX-License-Identifier: BSD-3-Clause */
/* What a service manager gives a daemon: a listening socket, a readiness socket, a limit of files.
 */
#ifndef CHAOS_BASE_SERVICE_H
#define CHAOS_BASE_SERVICE_H

/* The listening socket that was passed, as with sd_listen_fds(3): non-blocking and close-on-exec;
 * -1: none, or more than one. */
int service_socket(void);
/* sd_notify(3) without the library: "READY=1", "STOPPING=1"; does nothing without
 * NOTIFY_SOCKET in the environment. */
void service_notify(const char *text);
/* As many open files as the system allows this process. */
void service_raise_files(void);

#endif
