/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the path of a create differs when the VM is made of a file. */
#ifndef CHAOS_ENGINE_LIFE_RESTORE_H
#define CHAOS_ENGINE_LIFE_RESTORE_H

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/vm/state.h"

struct snapshot;
struct vm_restore;

/* create.c: engine_create(), and `from` builds the VM; NULL: its image does. */
void vm_create(struct engine *en, struct vm_config *cfg, uint32_t flags, struct vm_restore *from,
	       vm_create_fn *fn, void *arg);

/* restore.c: makes a VM of `cfg` (taken) and of a template. `fn` as in engine_create(). */
struct template;
void vm_copy(struct engine *en, struct vm_config *cfg, struct template *of, uint32_t flags,
	     vm_create_fn *fn, void *arg);

/* A create of a copy of a snapshot. */
struct vm_taking {
	const char *name; /* "": one is made up */
	uint32_t flags;
	const struct vif_config *vif; /* NULL: any */
	vm_create_fn *fn;
	void *arg;
};
/* create.c: takes one that waits in the pool, and `fn` is called. False: none does, which is noted
 * there; *why says why. */
bool vm_create_copy(struct engine *en, const struct snapshot *from, const struct vm_taking *c,
		    const char **why);
/* claim_booted.c: the same, of a copy that has booted in the pool (pool_boots()). */
bool vm_create_booted(struct engine *en, const struct snapshot *from, const struct vm_taking *c,
		      const char **why);
/* claim_shell.c: of a linked VM that is taken out of the pool. */
void copy_place(struct vm *vm);		       /* LIFE_PLACED */
void copy_build(struct vm *vm, struct err *e); /* out of the pool; LIFE_BUILT follows */

/* Paths of this host out of a file that others may have written do not count, if the VM that it is
 * of is not known here. */
void drop_unknown_paths(struct engine *en, struct vm_config *c);
/* For a linked VM that is made of a file: */
/* Placed (rc): threads fill it, and LIFE_BUILT follows. */
void restore_build(struct vm *vm, int rc, struct err *e);
bool restore_is_noxs(const struct vm *vm);
/* Of a noxs guest: its two pages, where they are now, and another generation than any before. */
int restore_map(struct vm *vm, uint64_t *generation, struct err *e);
/* The VM of that stream runs here, or never will: then its copies of disks go. */
void restore_arrived(struct engine *en, stream_id id, bool stays);
void restore_arrived_none(struct engine *en); /* the engine closes */
void restore_cancel(struct vm *vm);	      /* the threads end soon */

#endif
