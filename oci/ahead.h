/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that have booted before their container is made: the pool has copies of a snapshot in which
 * the agent waits (chaos-oci ahead). */
#ifndef CHAOS_OCI_AHEAD_H
#define CHAOS_OCI_AHEAD_H

#include <stdbool.h>

#include "base/err.h"
#include "oci/bundle.h"
#include "oci/state.h"

/* Snapshots of such VMs have names that begin so. */
#define AHEAD_NAME "oci-ahead"

/* What goes to the agent by its channel is at most so much; more of a root is a disk. */
#define AHEAD_LEAST 65536u /* bytes of a plain folder that becomes one */
#define AHEAD_BYTES (256u << 10)

/* The snapshot whose copies wait and fit what the bundle asks for, into `from`. -ENOENT: none does,
 * with the reason. */
int ahead_find(const struct bundle *b, char *from, size_t room, struct err *e);

/*
 * Takes such a copy as the VM of `c`, with the disks, interfaces and weights of the plan; the
 * monitor `pid` notes its uuid. -EAGAIN: there is none any more, and nothing was done; others with
 * the reason, and the VM is removed if chaosd answers; `there`: it may have been made.
 */
int ahead_take(struct container *c, const struct plan *p, pid_t pid, bool *there, struct err *e);

/* Removes the VM of a container, whatever was killed while it was taken. That there is none is no
 * error. */
int ahead_remove_vm(struct container *c, struct err *e);

#endif
