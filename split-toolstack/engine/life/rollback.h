/* SPDX-License-Identifier: BSD-3-Clause */
/* Rollback: sets a VM back to a snapshot, in its own domain. */
#ifndef CHAOS_ENGINE_LIFE_ROLLBACK_H
#define CHAOS_ENGINE_LIFE_ROLLBACK_H

#include "split-toolstack/engine/life/save.h"

struct snapshot;

/* The most pages of a snapshot for a rollback. */
#define ROLLBACK_PAGES 1024u

/* Called once. rc 0: the VM has the state of the snapshot, and runs or is paused as before; -errno:
 * `e` has the reason, and whether the VM stays paused. `st` has stopped_ns, pages and present. */
typedef void vm_rollback_fn(void *arg, int rc, const struct stream_stats *st, const struct err *e);

/*
 * Sets memory and vCPUs of a VM that runs or is paused back to a snapshot of the same type, memory
 * and number of vCPUs. `name` NULL: the snapshot that it was made from, last saved as or set back
 * to. Name, uuid and console stay; the generation changes. The domain id stays, too, except for a
 * VM that has devices or whose image has no noxs entry: it gets a new domain (rollback_anew.c).
 * `flags`: VM_RESTORE_DISKS_KEEP: it may have disks that it writes. `fn` is called later, or at
 * once if the state is in memory; if this fails, it is not, and nothing has changed. -ENOENT: no
 * such snapshot; -EOPNOTSUPP: its guest cannot be saved; -EFBIG; -EBUSY: it writes a disk,
 * STREAMS_MOST are running, or the VM is being saved.
 */
int vm_rollback(struct vm *vm, const char *name, uint32_t flags, vm_rollback_fn *fn, void *arg,
		struct err *e);

/* For rollback.c and rollback_anew.c: the state of the VM allows it. -EBUSY. */
int rollback_check_state(struct vm *vm, struct err *e);
/* It has the snapshot's state. */
void rollback_note_snapshot(struct vm *vm, const struct snapshot *x);
/* A VM whose domain cannot be set back: its state is replaced by that of the snapshot while it is
 * asleep for a moment. As vm_rollback(). If it cannot be woken, it stays asleep with the new state.
 */
int rollback_anew(struct vm *vm, const struct snapshot *x, uint32_t flags, vm_rollback_fn *fn,
		  void *arg, struct err *e);

#endif
