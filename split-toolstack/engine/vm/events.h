/* SPDX-License-Identifier: BSD-3-Clause */
/* Raising events of VMs' lives and telling of them: on the way of each create and destroy, so it is
 * inline. */
#ifndef CHAOS_VM_EVENTS_H
#define CHAOS_VM_EVENTS_H

#include "base/clock.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vms-t.h"

/* Does what the table of life says; the VM may be freed afterwards. */
static inline int life_event(struct vm *vm, enum life_event ev, const struct life_news *n)
{
	const struct life_cell *c = &engine_vms(vm->en)->life[vm->life.now][ev];

	return c->fn ? c->fn(vm, n) : life_impossible(vm, ev);
}

/* Tells the observers. */
static inline void vm_announce(struct vm *vm, enum vm_event ev)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = engine_vms(vm->en)->observers; ob; ob = next) {
		next = ob->next;
		ob->fn(ob, ev, vm, NULL);
	}
}

/* Answers its create, once. */
static inline void vm_create_done(struct vm *vm, int rc, const struct err *e)
{
	vm_create_fn *fn = vm->create.fn;

	vm->create.fn = NULL;
	vm->t.total_ns = (uint32_t)(clock_ns() - vm->create.start_ns);
	if (fn)
		fn(vm->create.arg, rc, rc < 0 ? NULL : vm, &vm->t, e);
}

#endif
