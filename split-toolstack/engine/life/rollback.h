/* SPDX-License-Identifier: BSD-3-Clause */
/* Rollback: sets a VM back to a snapshot, in its own domain. */
#ifndef CHAOS_ENGINE_LIFE_ROLLBACK_H
#define CHAOS_ENGINE_LIFE_ROLLBACK_H

#include "split-toolstack/engine/life/save.h"

/* The most pages of a snapshot for a rollback. */
#define ROLLBACK_PAGES 1024u

/* Called once. rc 0: the VM has the state of the snapshot, and runs or is paused as before; -errno:
 * `e` has the reason, and whether the VM stays paused. `st` has stopped_ns, pages and present. */
typedef void vm_rollback_fn(void *arg, int rc, const struct stream_stats *st, const struct err *e);

/*
 * Sets memory and vCPUs of a VM that runs or is paused back to a snapshot of the same type, memory
 * and number of vCPUs. `name` NULL: the snapshot that it was made from, last saved as or set back
 * to. Name, uuid, domain id and console stay; the generation changes. `fn` is called later, or at
 * once if the state is in memory; if this fails, it is not, and nothing has changed. -ENOENT: no
 * such snapshot; -EOPNOTSUPP: the VM has devices, or its guest cannot be saved; -EFBIG; -EBUSY:
 * STREAMS_MOST are running, or the VM is being saved.
 */
int vm_rollback(struct vm *vm, const char *name, vm_rollback_fn *fn, void *arg, struct err *e);

#endif
