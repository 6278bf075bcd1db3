/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs into files and out of them again, as clients ask for it. */
#ifndef CHAOS_ENGINE_LIFE_SAVE_H
#define CHAOS_ENGINE_LIFE_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/engine.h"

/* So many saves and restores are under way at most, each with a thread of its own. */
#define STREAMS_MOST 16u

/* What a client calls a save or restore under way by; never used twice. */
typedef uint64_t stream_id;

/* Of a save or a restore. */
struct stream_stats {
	uint64_t bytes;	     /* of the file */
	uint64_t pages;	     /* that the guest has, of 4 KiB */
	uint64_t present;    /* of these in the file */
	uint64_t stopped_ns; /* save: from the pause until the last byte was written */
	uint64_t total_ns;   /* from the request on */
};

/* Once: rc 0, and all is written; else -errno, `e` says why, and the VM goes on as before. */
typedef void vm_save_fn(void *arg, int rc, const struct stream_stats *s, const struct err *e);

#define VM_SAVE_KEEP  (1u << 0) /* it goes on when it is written */
#define VM_SAVE_SLEEP (1u << 1) /* the file is the sleepers' (sleep.h): taken, it sleeps */

/*
 * Writes a VM that runs or is paused into `fd` (a file, pipe or socket), which is taken in any
 * case. It stands still meanwhile. `fn` comes later, unless this fails: then nothing has changed.
 * Without VM_SAVE_KEEP the VM stands still until vm_save_end(). What cannot be saved is
 * -EOPNOTSUPP; -EBUSY when it is being built, saved already, or STREAMS_MOST are under way.
 */
int vm_save(struct vm *vm, int fd, uint32_t flags, vm_save_fn *fn, void *arg, stream_id *id,
	    struct err *e);

/* A round of a VM that is copied while it runs. */
struct live_round;
typedef void vm_round_fn(void *arg, const struct live_round *r);
/* vm_save() of a PVH guest that runs meanwhile, but for the end: `on_round` comes after each round,
 * and the next one, or the rest, begins with vm_save_round(), when all of it has arrived. What is
 * written is no file: engine_receive() takes it. -EOPNOTSUPP: PV. */
int vm_save_live(struct vm *vm, int fd, vm_save_fn *fn, vm_round_fn *on_round, void *arg,
		 stream_id *id, struct err *e);
/* -EPROTO: no round is over. */
int vm_save_round(struct engine *en, stream_id id, struct err *e);

/* After `fn` with rc 0: with `taken` the client has the file safely, and the VM ends with the
 * reason VM_REASON_SAVED; else it goes on. Before `fn`, without `taken`: ends the save, and `fn`
 * follows. -ESRCH when there is no such save: the VM was destroyed meanwhile, or goes on. */
int vm_save_end(struct engine *en, stream_id id, bool taken, struct err *e);

/* After `fn` with rc 0: the VM may be let run elsewhere from now on, which is recorded. It stands
 * still (VM_MOVING) until vm_moved(), an unpause or a destroy, also under the next daemon. On
 * failure nothing has changed. */
int vm_save_move(struct engine *en, stream_id id, struct err *e);

/* What becomes of the disks that a file of a saved VM names. One of these, or none of them: they
 * are used if this host knows that VM with them, they were not written since, and it is not a copy
 * that could write them. */
#define VM_RESTORE_DISKS_KEEP	  (1u << 16) /* as the file names them */
#define VM_RESTORE_DISKS_READONLY (1u << 17)
#define VM_RESTORE_DISKS_NONE	  (1u << 18)
#define VM_RESTORE_DISKS_COPY	  (1u << 19) /* those that it writes as copies: PATH.NAME */
#define VM_RESTORE_DISKS                                                                           \
	(VM_RESTORE_DISKS_KEEP | VM_RESTORE_DISKS_READONLY | VM_RESTORE_DISKS_NONE |               \
	 VM_RESTORE_DISKS_COPY)

/* Kernel, ramdisk and on_* of the file count as they are, whether this host knows the VM or not. */
#define VM_RESTORE_PATHS (1u << 20)

/*
 * Makes a VM of such a file (taken in any case). `name` NULL: its own name and uuid, if no VM that
 * lives has one of them (-EEXIST); else a copy of this name with a new uuid and new MACs. `flags`:
 * VM_CREATE_PAUSED, VM_CREATE_WAIT_READY (its guest has gone on: its first event has come), of
 * migrate.h VM_CREATE_ARRIVING, and what becomes of its disks. `fn` as in engine_create(), also
 * before this returns 0; *s is filled before it comes, and stays until then. The id is for
 * vm_restore_cancel(). -EBUSY as above.
 */
int engine_restore(struct engine *en, int fd, const char *name, uint32_t flags, vm_create_fn *fn,
		   void *arg, struct stream_stats *s, stream_id *id, struct err *e);
/* The same of a file of ours: always a copy, with a uuid of its own. */
struct restore_as {
	const char *name;     /* NULL or "": it is made up */
	const char *snapshot; /* digest of the file, which the VM will have as its snapshot */
	bool known;	      /* written on this host: its paths count */
	const char *why; /* no copy was taken out of the pool; static; NULL: that is not known */
	const struct vif_config *vif; /* its first one gets the MAC and IP of it; NULL: others */
};
int engine_restore_as(struct engine *en, int fd, const struct restore_as *as, uint32_t flags,
		      vm_create_fn *fn, void *arg, struct stream_stats *s, stream_id *id,
		      struct err *e);
/* Its client is gone: nothing comes of it, unless the VM is there already. */
void vm_restore_cancel(struct engine *en, stream_id id);

#endif
