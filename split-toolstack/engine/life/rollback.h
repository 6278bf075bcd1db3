/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM is set back to a snapshot, in place. */
#ifndef CHAOS_ENGINE_LIFE_ROLLBACK_H
#define CHAOS_ENGINE_LIFE_ROLLBACK_H

#include "split-toolstack/engine/life/save.h"

/* A snapshot with more pages than this is not put back in place. */
#define ROLLBACK_PAGES 1024u

/* Once. rc 0: the VM is as the snapshot, and runs or is paused as before; else -errno, and `e` says
 * why, and whether it stays paused. `st` has stopped_ns, pages and present. */
typedef void vm_rollback_fn(void *arg, int rc, const struct stream_stats *st, const struct err *e);

/*
 * Sets memory and vCPUs of a VM that runs or is paused back to a snapshot of a VM of this type,
 * memory and number of vCPUs; `name` NULL: to the one that it was made from or last kept as or set
 * back to. Name, uuid, domain id and console stay; the generation changes. `fn` comes later, or at
 * once when the state is in memory, unless this fails: then nothing has changed. -ENOENT: no such
 * snapshot; -EOPNOTSUPP: it has devices, or its guest cannot be saved; -EFBIG; -EBUSY: STREAMS_MOST
 * are under way, or it is being saved.
 */
int vm_rollback(struct vm *vm, const char *name, vm_rollback_fn *fn, void *arg, struct err *e);

#endif
