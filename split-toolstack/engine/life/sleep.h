/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that sleep: in a file of the daemon's own, without a domain, and out of it again. */
#ifndef CHAOS_ENGINE_LIFE_SLEEP_H
#define CHAOS_ENGINE_LIFE_SLEEP_H

#include "split-toolstack/engine/life/save.h"

/*
 * A VM that sleeps keeps its name, uuid, configuration, console log and reservations; it outlives
 * chaosd and reboots of the host. At each moment either its domain counts or its file:
 *
 *   sleep: the file is written, synced and has its name; the record says "asleep"; the domain ends.
 *   wake:  a domain is filled; the record says that it runs; it runs; the file goes. Of a VM that
 *          writes disks the file goes for certain before it runs: power that fails must not bring
 *          the old memory back beside disks that were written since.
 *
 * The record is the turning point in both. A daemon that finds "asleep" ends a domain that is still
 * there, and one that finds anything else deletes the file.
 */

/* Once: rc 0: it sleeps; else -errno, `e` says why, and the VM goes on as before. */
typedef vm_save_fn vm_sleep_fn;
/* A VM that runs or is paused falls asleep. `fn` comes later, unless this fails: then nothing has
 * changed. What cannot be saved is -EOPNOTSUPP; -EBUSY as for vm_save(). */
int vm_sleep(struct vm *vm, vm_sleep_fn *fn, void *arg, struct err *e);

/*
 * One that sleeps runs on where it was, or is paused (`flags`: VM_CREATE_PAUSED), in a new domain.
 * A disk that was written since is an error, -ESTALE, unless `flags` has VM_RESTORE_DISKS_KEEP.
 * `why` is for the log: what wakes it. `fn` as in engine_create(), possibly before this
 * returns; not when this fails. *s is filled before it comes and stays until then. When
 * it fails the VM sleeps on and its file stays. -EBUSY: it does not sleep, or is woken already.
 */
int vm_wake(struct vm *vm, const char *why, uint32_t flags, vm_create_fn *fn, void *arg,
	    struct stream_stats *s, struct err *e);

#endif
