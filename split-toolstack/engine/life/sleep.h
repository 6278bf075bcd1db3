/* SPDX-License-Identifier: BSD-3-Clause */
/* Sleep and wake: VMs in a file of the daemon, without a domain. */
#ifndef CHAOS_ENGINE_LIFE_SLEEP_H
#define CHAOS_ENGINE_LIFE_SLEEP_H

#include "split-toolstack/engine/life/save.h"

/*
 * A VM that sleeps keeps its name, uuid, configuration, console log and reservations, also over
 * restarts of chaosd and reboots of the host. At each moment either its domain or its file is
 * valid:
 *
 *   sleep: the file is written, synced and gets its name; the record says "asleep"; the domain is
 *          destroyed.
 *   wake:  a domain is filled; the record says that it runs; it runs; the file is deleted. If the
 * VM writes disks, the deletion is synced before it runs: after a power failure its old memory must
 * not be used with disks that were written since.
 *
 * The record decides. A daemon that finds "asleep" destroys a domain that still exists; with any
 * other record it deletes the file.
 */

/* Called once. rc 0: it sleeps; -errno with the reason in `e`: the VM continues as before. */
typedef vm_save_fn vm_sleep_fn;
/* Puts a VM that runs or is paused to sleep. `fn` is called later; if this fails, it is not, and
 * nothing has changed. -EOPNOTSUPP: it cannot be saved; -EBUSY as for vm_save(). */
int vm_sleep(struct vm *vm, vm_sleep_fn *fn, void *arg, struct err *e);

/* Its record says asleep, and its file has its name: ends its domain. */
void vm_falls_asleep(struct vm *vm);

/*
 * Wakes a VM: it continues in a new domain, or is paused there (`flags`: VM_CREATE_PAUSED).
 * -ESTALE: a disk was written since, and `flags` does not have VM_RESTORE_DISKS_KEEP. `why` is for
 * the log: what wakes it. `fn` as in engine_create(), possibly before this returns; not if this
 * fails. *s must stay valid until then, and is filled before. If the wake fails, the VM stays
 * asleep with its file. -EBUSY: it does not sleep, or is being woken.
 */
int vm_wake(struct vm *vm, const char *why, uint32_t flags, vm_create_fn *fn, void *arg,
	    struct stream_stats *s, struct err *e);

#endif
