/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves of VMs into files of clients. */
#ifndef CHAOS_ENGINE_LIFE_SAVE_H
#define CHAOS_ENGINE_LIFE_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/engine.h"

/* The most saves and restores at a time; each has a thread. */
#define STREAMS_MOST 16u

/* Identifies a running save or restore; never used twice. */
typedef uint64_t stream_id;

/* Of a save or a restore. */
struct stream_stats {
	uint64_t bytes;	     /* of the file */
	uint64_t pages;	     /* that the guest has, of 4 KiB */
	uint64_t present;    /* of these in the file */
	uint64_t stopped_ns; /* save: from the pause until the last byte was written */
	uint64_t total_ns;   /* from the request on */
};

/* Called once: rc 0: all is written; -errno with the reason in `e`: the VM continues as before. */
typedef void vm_save_fn(void *arg, int rc, const struct stream_stats *s, const struct err *e);

#define VM_SAVE_KEEP  (1u << 0) /* it goes on when it is written */
#define VM_SAVE_SLEEP (1u << 1) /* the file is the sleepers' (sleep.h): taken, it sleeps */

/*
 * Writes a VM that runs or is paused into `fd` (a file, pipe or socket), which it closes in any
 * case. The VM is stopped meanwhile. `fn` is called later; if this fails, it is not, and nothing
 * has changed. Without VM_SAVE_KEEP the VM stays stopped until vm_save_end(). -EOPNOTSUPP: it
 * cannot be saved; -EBUSY: it is being built or saved, or STREAMS_MOST are running.
 */
int vm_save(struct vm *vm, int fd, uint32_t flags, vm_save_fn *fn, void *arg, stream_id *id,
	    struct err *e);

/* A round of a VM that is copied while it runs. */
struct live_round;
typedef void vm_round_fn(void *arg, const struct live_round *r);
/* vm_save() of a PVH guest that runs until the last part is written. `on_round` is called after
 * each round; vm_save_round() begins the next one, or the last part. The stream is for
 * engine_receive(), not for a file. -EOPNOTSUPP: PV. */
int vm_save_live(struct vm *vm, int fd, vm_save_fn *fn, vm_round_fn *on_round, void *arg,
		 stream_id *id, struct err *e);
/* -EPROTO: no round is over. */
int vm_save_round(struct engine *en, stream_id id, struct err *e);

/* After `fn` with rc 0: with `taken` the client has the file, and the VM ends with the reason
 * VM_REASON_SAVED; otherwise it continues. Before `fn`, without `taken`: cancels the save, and `fn`
 * follows. -ESRCH: there is no such save, because the VM was destroyed or continues. */
int vm_save_end(struct engine *en, stream_id id, bool taken, struct err *e);

/* After `fn` with rc 0: from now on another host may run the VM, which is recorded. Here it stays
 * stopped (VM_MOVING) until vm_moved(), an unpause or a destroy, also under the next daemon. On
 * failure nothing has changed. */
int vm_save_move(struct engine *en, stream_id id, struct err *e);

/* What happens to the disks that the file of a saved VM names: one of these, or none. With none
 * they are used if this host knows that VM with them, they were not written since, and the new VM
 * is not a copy that could write them. */
#define VM_RESTORE_DISKS_KEEP	  (1u << 16) /* as the file names them */
#define VM_RESTORE_DISKS_READONLY (1u << 17)
#define VM_RESTORE_DISKS_NONE	  (1u << 18)
#define VM_RESTORE_DISKS_COPY	  (1u << 19) /* those that it writes as copies: PATH.NAME */
#define VM_RESTORE_DISKS                                                                           \
	(VM_RESTORE_DISKS_KEEP | VM_RESTORE_DISKS_READONLY | VM_RESTORE_DISKS_NONE |               \
	 VM_RESTORE_DISKS_COPY)

/* vm_wake(): the VM was set back, and so may not use the same random numbers again. */
#define VM_WAKE_SET_BACK (1u << 21)

/* Kernel, ramdisk and on_* of the file are used even if this host does not know the VM. */
#define VM_RESTORE_PATHS (1u << 20)

/*
 * Makes a VM from such a file, which it closes in any case. `name` NULL: with the VM's own name and
 * uuid, unless a living VM has one of them (-EEXIST); otherwise a copy with this name, a new uuid
 * and new MACs. `flags`: VM_CREATE_PAUSED, VM_CREATE_WAIT_READY (the first event of the guest),
 * VM_CREATE_ARRIVING (migrate.h), and what happens to its disks. `fn` as in engine_create(),
 * possibly before this returns 0; *s must stay valid until then, and is filled before. *id is for
 * vm_restore_cancel(). -EBUSY as above.
 */
int engine_restore(struct engine *en, int fd, const char *name, uint32_t flags, vm_create_fn *fn,
		   void *arg, struct stream_stats *s, stream_id *id, struct err *e);
/* The same from a file of chaosd: always a copy with its own uuid. */
struct restore_as {
	const char *name;     /* NULL or "": one is made */
	const char *snapshot; /* digest of the file: the VM's snapshot */
	bool known;	      /* written on this host: its paths are used */
	const char *why;      /* why no copy of the pool was taken (static); NULL: not known */
	const struct vif_config *vif; /* MAC and IP for its first vif; NULL: others */
};
int engine_restore_as(struct engine *en, int fd, const struct restore_as *as, uint32_t flags,
		      vm_create_fn *fn, void *arg, struct stream_stats *s, stream_id *id,
		      struct err *e);
/* The client has disconnected: cancels the restore, unless the VM is made already. */
void vm_restore_cancel(struct engine *en, stream_id id);

#endif
