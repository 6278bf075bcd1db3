/* SPDX-License-Identifier: BSD-3-Clause */
/* The monitor of a container that is in the VM of a pod. */
#ifndef CHAOS_OCI_MEMBER_H
#define CHAOS_OCI_MEMBER_H

#include "oci/monitor.h"

/*
 * The container's root is there: its process is asked for at the sandbox's monitor, which has its
 * files from then on. As monitor_run(); `pod`: the process of the sandbox's monitor, as a file.
 */
int member_run(const struct container *c, const struct bundle *b, const struct container *sandbox,
	       int pod, int listener, const struct monitor_stdio *io);

#endif
