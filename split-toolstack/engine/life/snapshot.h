/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs into snapshots (snapshots/snapshots.h), and out of them. */
#ifndef CHAOS_ENGINE_LIFE_SNAPSHOT_H
#define CHAOS_ENGINE_LIFE_SNAPSHOT_H

#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/snapshots/snapshots.h"

/* Once. rc 0: `x` is on the disk; else -errno, `e` says why, and nothing of it is left. The VM goes
 * on in any case, and did so before its pages were on the disk. */
typedef void vm_snapshot_fn(void *arg, int rc, const struct snapshot *x,
			    const struct stream_stats *st, const struct err *e);

/*
 * Keeps a VM that runs or is paused as a snapshot; `name` NULL: that of the VM, and a number. Then
 * it is the VM's snapshot, and so the parent of the next one of it. `fn` comes later, unless this
 * fails; a client that goes does not stop it. Errors as of vm_save(), but for STREAMS_MOST: it
 * waits for its turn.
 */
int vm_snapshot(struct vm *vm, const char *name, vm_snapshot_fn *fn, void *arg, struct err *e);

/*
 * Makes a VM of a snapshot: a copy with a uuid and seeds of its own, whose snapshot it is. `name`
 * NULL: it is made up. `vif`: its first vif gets the MAC and IP address that are in it; NULL: any.
 * `flags`: as of engine_restore(), and VM_CREATE_WAIT_READY. A copy that
 * waits in the pool is taken (VM_BOOTED), else the file is read. `fn` as in engine_create(),
 * possibly before this returns, unless this fails; *st is filled before it comes, and stays until
 * then (total_ns is 0 of one out of the pool). As many as are asked for: they wait for their turn.
 */
int engine_create_from(struct engine *en, const char *snapshot, const char *name,
		       const struct vif_config *vif, uint32_t flags, vm_create_fn *fn, void *arg,
		       struct stream_stats *st, struct err *e);

#endif
