/* SPDX-License-Identifier: BSD-3-Clause */
/* Branch: copies of a VM that continues. */
#ifndef CHAOS_ENGINE_LIFE_BRANCH_H
#define CHAOS_ENGINE_LIFE_BRANCH_H

#include "split-toolstack/engine/life/save.h"

#define BRANCH_MOST 10000u /* copies of one request */

struct branch_want {
	const char *name; /* name of one copy, or prefix for several; NULL: the VM's name */
	uint32_t count;	  /* 1..BRANCH_MOST */
	const struct vm_child *child; /* the copy is this child (fork.c); NULL: no child */
	/* VM_CREATE_PAUSED, VM_CREATE_WAIT_READY, VM_RESTORE_DISKS (of each copy) */
	uint32_t flags;
	const struct vif_config *vif; /* MAC and IP for the first vif of one copy; NULL: others */
};

struct branch_ops {
	/* A copy was made. False: the next one is made after vm_branch_more(). */
	bool (*made)(void *arg, struct vm *copy, const struct vm_timings *t);
	/* The last call. rc 0: all copies are made; < 0: those that were made stay. */
	void (*done)(void *arg, int rc, const struct stream_stats *st, const struct err *e);
};

/*
 * Makes copies of a VM that runs or is paused, with the conditions and errors of vm_save(). The VM
 * is stopped for a moment; what happens to it later does not change the copies. They have its
 * configuration and memory, and their own name ("VM-1", "VM-2", ...: the first that are free),
 * uuid, MACs, console and generation. A disk that the VM writes is refused (-EBUSY), unless the
 * copies have none, or copies of it, which are made while the VM is stopped. `ops` may be called
 * before this returns; if this fails, they are not called. *id is set before the first call.
 */
int vm_branch(struct vm *vm, const struct branch_want *w, const struct branch_ops *ops, void *arg,
	      stream_id *id, struct err *e);
void vm_branch_more(struct engine *en, stream_id id);
/* `ops` are not called any more: copies that were made stay, others are not made. */
void vm_branch_cancel(struct engine *en, stream_id id);
/* The same while the engine closes, when branches end by themselves. */
void branch_forget(struct engine *en, stream_id id);

#endif
