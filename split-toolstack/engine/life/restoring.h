/* SPDX-License-Identifier: BSD-3-Clause */
/* A restore under way, for restore.c and fill.c. */
#ifndef CHAOS_ENGINE_LIFE_RESTORING_H
#define CHAOS_ENGINE_LIFE_RESTORING_H

#include "base/transfer.h"
#include "libdom/live.h"
#include "split-toolstack/engine/domain/memory-t.h"
#include "split-toolstack/engine/life/migrate.h"
#include "split-toolstack/engine/life/take.h"
#include "split-toolstack/engine/services/worker.h"

/* A disk that is copied. */
struct disk_copy {
	char *from, *to; /* malloced; in the same folder */
	int base;	 /* a file with its contents (struct taken_disks); -1: the disk itself */
	int folder;	 /* opened once, whatever its name comes to mean; -1: not yet */
	bool made;	 /* with its name; what the file is: */
	uint64_t dev, ino;
};

struct vm_restore {
	struct worker_job job;
	struct vm_restore *prev, *next; /* list of the engine */
	struct engine *en;
	struct vm *vm; /* NULL: the file is being checked */
	/* Called on the loop when the file is checked (rc); there is no VM yet. */
	void (*checked)(struct vm_restore *r);
	stream_id id;
	struct transfer file;
	struct save_stream *stream;
	struct template *of;		 /* source of `stream` if there is no file; a reference */
	const struct taken_disks *disks; /* for a copy of that; NULL: none */
	char name[VM_NAME_MAX + 1];	 /* of a copy; "": one is made */
	char snapshot[65];		 /* digest of the file; "": no snapshot */
	const char *why;		 /* as in struct restore_as */
	bool has_vif;			 /* as in struct restore_as: `vif` */
	struct vif_config vif;
	bool copy;  /* otherwise with its own name and uuid */
	bool known; /* its paths are used */
	uint32_t flags;
	bool wakes;		 /* a wake: the second job checks the file */
	bool claimed;		 /* its domain is from the pool */
	bool prepared;		 /* its domain is made, and the rest of the file is being read */
	bool squeezed;		 /* shells were destroyed to get memory */
	bool counted;		 /* counted as a build */
	struct memory_wait wait; /* for memory of running destroys */
	/* Called after each round; NULL: rounds are not accepted. */
	vm_arrived_fn *on_round;
	uint32_t round; /* the round that was read */
	bool more;	/* more rounds follow */
	bool unmapping; /* it has ended, except that a thread unmaps pages */
	vm_create_fn *fn;
	void *arg;
	struct stream_stats *stats;
	uint64_t start_ns;
	/* restore_copy.c: copies of disks, and the configuration until they are made */
	struct disk_copy copies[VM_VBDS_MAX];
	uint32_t ncopies;
	struct vm_config cfg;
	void (*copied)(struct vm_restore *r); /* on the loop, with rc */
	struct save_stats st;
	int rc;
	struct err err;
};

/* restore.c */
vm_create_fn restore_filled; /* `arg` is the restore; answers it */
/* Checks whether the configuration in the file fits the domain in it. */
int restore_check_config(const struct save_stream *s, const struct vm_config *c, struct err *e);
/* wake.c, on a thread: checks whether the file is that of the VM. */
int wake_check_file(const struct vm_restore *r, struct err *e);
/* wake.c: -ESTALE: a disk was written after that. */
int wake_check_disks(const struct vm_config *c, uint64_t saved_ns, struct err *e);
/* fill.c: checks the file, on a thread or, if it is small and in memory, before this returns. */
void restore_begin(struct vm_restore *r);
void restore_jobs(struct vm_restore *r); /* without the check of the file */
void restore_free(struct vm_restore *r);
/* The devices of a saved VM, or of one that continues, for another one. */
struct devices_wish {
	struct engine *en;
	uint32_t flags;		      /* VM_RESTORE_DISKS */
	bool noxs;		      /* its image has a noxs entry */
	bool known;		      /* its paths are used */
	bool copy;		      /* for a VM with another uuid */
	const struct vm *of;	      /* continues, and has its disks; NULL: it was saved */
	uint64_t saved_ns;	      /* otherwise its disks must not have been written since */
	const struct vif_config *vif; /* MAC and IP for the first vif; NULL: others */
};
/* restore_devices.c: checks whether the devices in `c` may be used, and sets those that the VM will
 * have. The original of a copy keeps its MAC addresses in the bridge from now on (devices_pin()).
 * -EPERM, -EBUSY, -EPROTO; because of `vif` -EINVAL, -EEXIST. */
int restore_check_devices(const struct devices_wish *w, struct vm_config *c, struct err *e);

/* restore_copy.c: replaces disks of `c` that the VM writes by copies, if the client has requested
 * that. 1: a thread makes them, and r->copied follows; 0: there are none; -ENOMEM. */
int restore_copy_disks(struct vm_restore *r, struct vm_config *c, struct err *e);
/* On a thread: copies an open disk, which is not written meanwhile, into a file without a name in
 * its folder. Returns its descriptor. */
int disk_copy_unnamed(const char *path, int from, const struct transfer *t, struct err *e);
void restore_forget_copies(struct vm_restore *r); /* they belong to the VM now */
void restore_remove_copies(struct vm_restore *r); /* soon, by a thread */
/* For an arriving VM: keeps them until restore_arrived() decides. -ENOMEM. */
int restore_keep_copies(struct vm_restore *r);

#endif
