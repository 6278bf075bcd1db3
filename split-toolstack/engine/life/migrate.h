/* SPDX-License-Identifier: BSD-3-Clause */
/* Migration: a VM moves to another host, and exactly one of the two runs (ADR 0012). */
#ifndef CHAOS_ENGINE_LIFE_MIGRATE_H
#define CHAOS_ENGINE_LIFE_MIGRATE_H

#include "libdom/save.h"
#include "split-toolstack/engine/life/save.h"

/*
 * Source: vm_save() without VM_SAVE_KEEP, vm_save_move(), then the client lets the target run the
 * VM, then vm_moved(). Target: engine_restore() with VM_CREATE_ARRIVING, whose `fn` is called when
 * the VM is filled and does not run yet, then vm_arrival_end().
 */

/* `taken`: another host runs the VM; it ends here with the reason VM_REASON_MIGRATED (0 also if it
 * has ended with that reason before). Otherwise no other host runs it, and it continues as before
 * the save; an arriving VM is removed. -EINVAL: it is in another state. */
int vm_moved(struct vm *vm, bool taken, struct err *e);

/* Progress of the save of a VM: bytes so far, pages, and how many of them the stream will have.
 * False: it is not being written. */
bool vm_save_progress(const struct vm *vm, struct stream_stats *s);

/* Features that the CPU of another host needs for this VM. */
int vm_needs(const struct vm *vm, struct save_needs *out, struct err *e);
/* Checks whether this host can run such a VM, has the memory now, and name and uuid (if
 * cfg->have_uuid) are free. `needs` NULL: not known. Nothing is reserved. */
int engine_admit(struct engine *en, const struct vm_config *cfg, const struct save_needs *needs,
		 struct err *e);
/* engine_restore() with VM_CREATE_ARRIVING from a stream of vm_save() or vm_save_live(). `on_round`
 * is called when a round has been read; the next one is read after that. */
typedef void vm_arrived_fn(void *arg, uint32_t round);
int engine_receive(struct engine *en, int fd, const char *name, uint32_t flags, vm_create_fn *fn,
		   vm_arrived_fn *on_round, void *arg, struct stream_stats *s, stream_id *id,
		   struct err *e);
/* The filled VM of such a restore; NULL: it was destroyed. */
struct vm *vm_arriving(struct engine *en, stream_id id);
/* After `fn` of engine_restore(): with `go` the VM runs or is paused, as requested, and is
 * recorded; otherwise, or if this fails, nothing of it is left. -ESRCH: it was destroyed. */
int vm_arrival_end(struct engine *en, stream_id id, bool go, struct err *e);

#endif
