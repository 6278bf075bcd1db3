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
	int folder;	 /* opened once, whatever its name comes to mean; -1: not yet */
	bool made;	 /* with its name; what the file is: */
	uint64_t dev, ino;
};

struct vm_restore {
	struct worker_job job;
	struct vm_restore *prev, *next; /* of the engine */
	struct engine *en;
	struct vm *vm; /* NULL: the file is being checked */
	/* On the loop, with the file checked (rc) and no VM yet. */
	void (*checked)(struct vm_restore *r);
	stream_id id;
	struct transfer file;
	struct save_stream *stream;
	struct template *of;	    /* its stream, then, and no file; a reference */
	char name[VM_NAME_MAX + 1]; /* of a copy; "": made up */
	char snapshot[65];	    /* digest of the file; "": it is no snapshot */
	const char *why;	    /* as in struct restore_as */
	bool has_vif;		    /* likewise, what is in: */
	struct vif_config vif;
	bool copy;  /* else its own name and uuid */
	bool known; /* its paths count */
	uint32_t flags;
	bool wakes;		 /* a VM that sleeps: its file is checked by the second job */
	bool claimed;		 /* out of the pool */
	bool prepared;		 /* its domain: the file is being read to its end */
	bool squeezed;		 /* the pool has given its memory for it */
	bool counted;		 /* as a build */
	struct memory_wait wait; /* until: destroys under way have memory for it */
	/* Of one that may come in rounds; NULL: it may not. */
	vm_arrived_fn *on_round;
	uint32_t round; /* that was read */
	bool more;	/* and there is more */
	bool unmapping; /* it is over, but for what a thread unmaps */
	vm_create_fn *fn;
	void *arg;
	struct stream_stats *stats;
	uint64_t start_ns;
	/* restore_copy.c: disks, and the configuration meanwhile */
	struct disk_copy copies[VM_VBDS_MAX];
	uint32_t ncopies;
	struct vm_config cfg;
	void (*copied)(struct vm_restore *r); /* on the loop, with rc */
	struct save_stats st;
	int rc;
	struct err err;
};

/* restore.c */
vm_create_fn restore_filled; /* arg: the restore; answers it */
/* What the file says of its configuration, and what it says of its domain, is the same. */
int restore_check_config(const struct vm_restore *r, const struct vm_config *c, struct err *e);
/* wake.c, on a thread: the file that was read is the one of the VM. */
int wake_check_file(const struct vm_restore *r, struct err *e);
/* fill.c: checks the file, on a thread or, if it is small and in memory, before this returns. */
void restore_begin(struct vm_restore *r);
void restore_jobs(struct vm_restore *r); /* without the first one */
void restore_free(struct vm_restore *r);
/* restore_devices.c: whether the devices that the file names may be used; those that the VM will
 * have are in `c` then. -EPERM, -EBUSY, -EPROTO. */
int restore_check_devices(struct vm_restore *r, struct vm_config *c, struct err *e);

/* What the client said of its first vif. -EINVAL, -EEXIST. */
int restore_give_vif(const struct vm_restore *r, struct vm_config *c, struct err *e);

/* restore_copy.c: the disks of `c` that the VM writes become copies, if the client said so. 1: a
 * thread makes them, r->copied follows; 0: there are none; -ENOMEM. */
int restore_copy_disks(struct vm_restore *r, struct vm_config *c, struct err *e);
void restore_forget_copies(struct vm_restore *r); /* they are the VM's */
void restore_remove_copies(struct vm_restore *r); /* soon, by a thread */
/* Of a VM that arrives: they are neither before restore_arrived() says so. -ENOMEM. */
int restore_keep_copies(struct vm_restore *r);

#endif
