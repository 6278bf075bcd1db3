/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of a VM in a state that does not allow it, and why. */
#include <errno.h>

#include "split-toolstack/engine/life/verbs.h"

int life_refuse_built(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY, "\"%s\" is still being built", vm->name);
}

int life_refuse_ended(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, ESRCH, "\"%s\" has ended", vm->name);
}

int life_refuse_unknown(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EAGAIN,
		       "\"%s\" was not taken over from the last daemon yet, which is tried "
		       "again: %s",
		       vm->name, vm->left.why);
}

int life_refuse_saving(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY, "\"%s\" is being saved", vm->name);
}

int life_refuse_gated(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY, "\"%s\" waits for the backends of its devices", vm->name);
}

int life_refuse_asleep(struct vm *vm, const struct life_news *n)
{
	if (vm->restore)
		return err_set(n->e, EBUSY, "\"%s\" is being woken", vm->name);
	return err_set(n->e, EBUSY, "\"%s\" is asleep: chaos wake %s", vm->name, vm->name);
}

int life_refuse_moving(struct vm *vm, const struct life_news *n)
{
	return err_set(n->e, EBUSY,
		       "\"%s\" stands still: maybe another host has it. If it certainly does not "
		       "run there: \"chaos unpause %s\"; if it does: \"chaos destroy %s\"",
		       vm->name, vm->name, vm->name);
}
