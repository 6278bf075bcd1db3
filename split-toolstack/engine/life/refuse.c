/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors for requests that the state of a VM does not allow, with the reason. */
#include <errno.h>

#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

int life_refuse_built(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY, "\"%s\" is still being built: try again when it runs",
		       vm_name(vm));
}

int life_refuse_ended(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, ESRCH, "\"%s\" has ended", vm_name(vm));
}

int life_refuse_unknown(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EAGAIN,
		       "\"%s\" was not adopted from the last daemon yet (%s): chaosd tries again",
		       vm_name(vm), vm_why_unknown(vm));
}

int life_refuse_saving(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY, "\"%s\" is being saved: try again when that has ended",
		       vm_name(vm));
}

int life_refuse_gated(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY,
		       "\"%s\" waits for the backends of its devices: try again when it runs",
		       vm_name(vm));
}

int life_refuse_asleep(struct vm *vm, const struct life_news *n)
{
	if (vm_life(vm)->restore)
		return err_set(n->e, EBUSY, "\"%s\" is being woken: try again when that has ended",
			       vm_name(vm));
	return err_set(n->e, EBUSY, "\"%s\" is asleep: chaos wake %s", vm_name(vm), vm_name(vm));
}

int life_refuse_moving(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY,
		       "\"%s\" is stopped: it was given to another host, which has not answered. "
		       "If it certainly does not run there: \"chaos unpause %s\"; if it does: "
		       "\"chaos destroy %s\"",
		       vm_name(vm), vm_name(vm), vm_name(vm));
}

int life_need_domain(struct vm *vm, struct err *e)
{
	const struct life_news n = {.e = e};

	switch (vm_state(vm)) {
	case VM_RUNNING:
	case VM_PAUSED:
		break;
	case VM_BUILDING:
		return life_refuse_built(vm, &n);
	case VM_UNKNOWN:
		return life_refuse_unknown(vm, &n);
	case VM_SAVING:
		return life_refuse_saving(vm, &n);
	case VM_ASLEEP:
		return life_refuse_asleep(vm, &n);
	case VM_MOVING:
		return life_refuse_moving(vm, &n);
	case VM_ENDED_PRESERVED:
	case VM_ENDED:
		return life_refuse_ended(vm, &n);
	}
	return 0;
}
