/* SPDX-License-Identifier: BSD-3-Clause */
/* The monitor of a container whose VM runs Linux and the agent. */
#ifndef CHAOS_OCI_LINUX_H
#define CHAOS_OCI_LINUX_H

#include "oci/monitor.h"
#include "oci/network.h"

/*
 * The VM is there and runs: its agent is told what the root is, and waits. `part`: -1, or what it
 * has to be sent of that (initrd_make_part()), because it has booted before. As monitor_run(), with
 * any signal for the process; and with processes beside the first, each with files of its own
 * (CONTROL_EXEC). A guest that breaks the rules of its channel, or that cannot be told its root,
 * is ended: `e` has why.
 */
int linux_run(const struct container *c, const struct bundle *b, const struct network *n, int part,
	      int listener, const struct monitor_stdio *io, struct err *e);

/* The channel of a VM that is no container: processes are run in it as they are asked for at
 * `listener`, until none is for a while, or the VM has ended. An exit status. */
int linux_hold(const char *uuid, int listener);

/* Waits until the agent of a VM answers. */
int linux_wait(const char *uuid, struct err *e);

#endif
