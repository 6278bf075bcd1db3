/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers creates: when they have ended, or when the guest reports that it is ready. */
#include "base/clock.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/vm.h"

void vm_create_done(struct vm *vm, int rc, const struct err *e)
{
	struct life *life = vm_life(vm);
	vm_create_fn *fn = life->create.fn;

	life->create.fn = NULL;
	life->t.total_ns = (uint32_t)(clock_ns() - life->create.start_ns);
	if (fn)
		fn(life->create.arg, rc, rc < 0 ? NULL : vm, &life->t, e);
}

void vm_is_ready(struct vm *vm)
{
	struct life *life = vm_life(vm);

	vm_set_ready(vm, true);
	life->t.ready_ns = (uint32_t)(clock_ns() - life->unpaused);
	vm_announce(vm, VM_EV_READY);
	vm_create_done(vm, 0, NULL);
}
