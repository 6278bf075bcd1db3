/* SPDX-License-Identifier: BSD-3-Clause */
/* The monitor: the container's process, for as long as its VM lives. */
#ifndef CHAOS_OCI_MONITOR_H
#define CHAOS_OCI_MONITOR_H

#include "oci/state.h"

/* When the VM has ended, the engine has so long for each piece of what is left of its output. */
#define MONITOR_LAST_MS 10000

struct monitor_stdio {
	int in, out; /* the engine's, or a terminal */
	int err;     /* -1: a terminal, or none beside `out` */
	int names;   /* stream of the engine's name server (resolver.h); -1: none */
};

/*
 * The VM is there, paused. Passes its console to and from `io`, answers at the control socket, and
 * begins with whatever signals come. Comes back when the VM has ended, with the exit status of the
 * container. A chaosd that is gone for a while is waited for: the VM goes on meanwhile.
 */
int monitor_run(const struct container *c, int listener, const struct monitor_stdio *io);

/* Signals of the engine and of the terminal, as a file; and the next of them, 0: none. */
int monitor_open_signals(void);
int monitor_signal(int fd);

#endif
