/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots of VMs (snapshots/snapshots.h), and VMs made from snapshots. */
#ifndef CHAOS_ENGINE_LIFE_SNAPSHOT_H
#define CHAOS_ENGINE_LIFE_SNAPSHOT_H

#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/snapshots/snapshots.h"

/* Called once. rc 0: `x` is on the disk; -errno with the reason in `e`: nothing of it is left. The
 * VM continues in any case, before its pages are on the disk. */
typedef void vm_snapshot_fn(void *arg, int rc, const struct snapshot *x,
			    const struct stream_stats *st, const struct err *e);

/*
 * Makes a snapshot of a VM that runs or is paused; `name` NULL: the name of the VM and a number. It
 * is then the VM's snapshot, and the parent of its next one. `fn` is called later, unless this
 * fails; it continues when the client disconnects. Errors as of vm_save(), but with STREAMS_MOST
 * running it waits.
 */
int vm_snapshot(struct vm *vm, const char *name, vm_snapshot_fn *fn, void *arg, struct err *e);

/*
 * Makes a VM from a snapshot: a copy with its own uuid and seeds. `name` NULL: one is made. `vif`:
 * MAC and IP address for its first vif; NULL: any. `flags`: as of engine_restore(), and
 * VM_CREATE_WAIT_READY. A copy that waits in the pool is taken (VM_BOOTED), otherwise the file is
 * read. `fn` as in engine_create(), possibly before this returns; not if this fails. *st must stay
 * valid until then, and is filled before (total_ns is 0 for a copy of the pool). There is no limit:
 * copies wait for their turn.
 */
int engine_create_from(struct engine *en, const char *snapshot, const char *name,
		       const struct vif_config *vif, uint32_t flags, vm_create_fn *fn, void *arg,
		       struct stream_stats *st, struct err *e);

#endif
