/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs that move to another host: one of two runs, whatever ends in between (ADR 0012). */
#ifndef CHAOS_ENGINE_LIFE_MIGRATE_H
#define CHAOS_ENGINE_LIFE_MIGRATE_H

#include "libdom/save.h"
#include "split-toolstack/engine/life/save.h"

/*
 * Here: vm_save() without VM_SAVE_KEEP, then vm_save_move(), then the other side is told that it
 * may run, then vm_moved(). There: engine_restore() with VM_CREATE_ARRIVING, whose `fn` comes when
 * the VM is filled and does not run, then vm_arrival_end().
 */

/* `taken`: it runs elsewhere, and ends here with the reason VM_REASON_MIGRATED; 0 also when it has
 * ended so before. Else it certainly does not, and goes on here as it was before the save; one that
 * arrives is given up. -EINVAL: it is in another state. */
int vm_moved(struct vm *vm, bool taken, struct err *e);

/* How far the save of a VM that is being written is: bytes so far, pages, and how many of them it
 * will have. False: none is written now. */
bool vm_save_progress(const struct vm *vm, struct stream_stats *s);

/* What another host's CPU has to have for it. */
int vm_needs(const struct vm *vm, struct save_needs *out, struct err *e);
/* Whether this host can run such a VM, has the memory for it now, and name and uuid (when
 * cfg->have_uuid) are free. `needs` NULL: not known. Nothing is kept for it. */
int engine_admit(struct engine *en, const struct vm_config *cfg, const struct save_needs *needs,
		 struct err *e);
/* engine_restore() with VM_CREATE_ARRIVING of what vm_save() or vm_save_live() writes. `on_round`
 * comes when a round has been read, and the next one is read after it. */
typedef void vm_arrived_fn(void *arg, uint32_t round);
int engine_receive(struct engine *en, int fd, const char *name, uint32_t flags, vm_create_fn *fn,
		   vm_arrived_fn *on_round, void *arg, struct stream_stats *s, stream_id *id,
		   struct err *e);
/* The VM of such a restore, filled; NULL: it was destroyed. */
struct vm *vm_arriving(struct engine *en, stream_id id);
/* Of an engine_restore() that has called `fn`: the VM runs (or is paused, as was asked for) and is
 * recorded as that; else nothing of it is left, as when this fails. -ESRCH: it was destroyed. */
int vm_arrival_end(struct engine *en, stream_id id, bool go, struct err *e);

#endif
