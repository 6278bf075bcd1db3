/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the path of a create differs when the VM is made of a file. */
#ifndef CHAOS_ENGINE_LIFE_RESTORE_H
#define CHAOS_ENGINE_LIFE_RESTORE_H

#include "split-toolstack/engine/engine.h"

struct vm_restore;

/* create.c: engine_create(), and `from` builds the VM; NULL: its image does. */
void vm_create(struct engine *en, struct vm_config *cfg, uint32_t flags, struct vm_restore *from,
	       vm_create_fn *fn, void *arg);

/* restore.c: makes a VM of `cfg` (taken) and of a template. `fn` as in engine_create(). */
struct template;
void vm_copy(struct engine *en, struct vm_config *cfg, struct template *of, uint32_t flags,
	     vm_create_fn *fn, void *arg);

/* For a linked VM with vm->restore: */
/* Placed (rc): threads fill it, and LIFE_BUILT follows. */
void restore_build(struct vm *vm, int rc, struct err *e);
/* Its two pages, where they are now, and another generation than any before. */
int restore_map(struct vm *vm, uint64_t *generation, struct err *e);
void restore_cancel(struct vm *vm); /* the threads end soon */

#endif
