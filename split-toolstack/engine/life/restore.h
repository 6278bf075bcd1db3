/* SPDX-License-Identifier: BSD-3-Clause */
/* How the create of a VM from a file or from a state differs from that from an image. */
#ifndef CHAOS_ENGINE_LIFE_RESTORE_H
#define CHAOS_ENGINE_LIFE_RESTORE_H

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/vm/state.h"

struct snapshot;
struct vm_restore;

/* create.c: engine_create() of a VM that is built from `from`; NULL: from its image. */
void vm_create(struct engine *en, struct vm_config *cfg, uint32_t flags, struct vm_restore *from,
	       vm_create_fn *fn, void *arg);

/* restore.c: makes a VM from `cfg`, which is moved, and a template. Disks that it writes are copies
 * of `disks`, which stays until `fn` is called, as in engine_create(). */
struct template;
struct taken_disks;
void vm_copy(struct engine *en, struct vm_config *cfg, struct template *of,
	     const struct taken_disks *disks, uint32_t flags, vm_create_fn *fn, void *arg);

/* A create of a copy of a snapshot. */
struct vm_taking {
	const char *name; /* "": one is made */
	uint32_t flags;
	const struct vif_config *vif; /* NULL: any */
	vm_create_fn *fn;
	void *arg;
};
/* create.c: takes a copy that waits in the pool; `fn` is called. False: there is none, which the
 * pool counts; *why has the reason. */
bool vm_create_copy(struct engine *en, const struct snapshot *from, const struct vm_taking *c,
		    const char **why);
/* claim_booted.c: the same for a copy that has booted in the pool (pool_boots()). */
bool vm_create_booted(struct engine *en, const struct snapshot *from, const struct vm_taking *c,
		      const char **why);
/* claim_shell.c: for a VM that is taken from the pool. */
void copy_place(struct vm *vm);		       /* LIFE_PLACED */
void copy_build(struct vm *vm, struct err *e); /* takes it; LIFE_BUILT follows */

/* Removes paths of this host from a file's configuration if this host does not know the VM, because
 * others may have written the file. */
void drop_unknown_paths(struct engine *en, struct vm_config *c);
/* For a VM that is made from a file: */
/* It is placed (rc): threads fill it, and LIFE_BUILT follows. */
void restore_build(struct vm *vm, int rc, struct err *e);
bool restore_is_noxs(const struct vm *vm);
/* For a noxs guest: maps its two pages, and returns a generation that it never had. */
int restore_map(struct vm *vm, uint64_t *generation, struct err *e);
/* The VM of that stream runs here (`stays`), or never will: then its copies of disks are removed.
 */
void restore_arrived(struct engine *en, stream_id id, bool stays);
void restore_arrived_none(struct engine *en); /* the engine closes */
void restore_cancel(struct vm *vm);	      /* its threads end soon */

#endif
