/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a VM that goes on. */
#ifndef CHAOS_ENGINE_LIFE_BRANCH_H
#define CHAOS_ENGINE_LIFE_BRANCH_H

#include "split-toolstack/engine/life/save.h"

#define BRANCH_MOST 10000u /* copies of one request */

struct branch_want {
	const char *name; /* of one copy; of several what the names begin with; NULL: the VM's */
	uint32_t count;	  /* 1..BRANCH_MOST */
	const struct vm_child *child; /* the copy is one (fork.c); NULL: it is none */
	uint32_t flags; /* VM_CREATE_PAUSED, VM_CREATE_WAIT_READY: each is waited for */
};

struct branch_ops {
	/* A copy lives. False: the next one is made after vm_branch_more(). */
	bool (*made)(void *arg, struct vm *copy, const struct vm_timings *t);
	/* Once, the last call. rc 0: all are made; else why not, and those that are made stay. */
	void (*done)(void *arg, int rc, const struct stream_stats *st, const struct err *e);
};

/*
 * Makes copies of a VM that runs or is paused, with the conditions and errors of vm_save(): it
 * stands still for a moment, and what becomes of it afterwards does not matter to the copies. They
 * have its configuration and memory, and a name ("VM-1", "VM-2", ...: the first that are free),
 * uuid, console and generation of their own. Calls of `ops` may come before this returns, but for
 * an error here, which comes alone. *id is set before the first one.
 */
int vm_branch(struct vm *vm, const struct branch_want *w, const struct branch_ops *ops, void *arg,
	      stream_id *id, struct err *e);
void vm_branch_more(struct engine *en, stream_id id);
/* No call of its `ops` comes any more: the copies that are made stay, the others are not made. */
void vm_branch_cancel(struct engine *en, stream_id id);
/* The same, when the engine closes and branches end by themselves. */
void branch_forget(struct engine *en, stream_id id);

#endif
