/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes another slot if the domain id belongs to another domain. */
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"

/* An id can be taken by another toolstack, or by a domain of ours that cannot die yet. */
#define SLOT_TRIES 64u

bool life_other_slot(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);

	if (++vm_life(vm)->create.slot_tries > SLOT_TRIES)
		return false;
	slot_put_last(engine_slots(en), vm_slot(vm));
	*e = (struct err){0};
	/* The intent has the id: with the uuid it tells the next daemon what is ours. */
	return slot_take(engine_slots(en), true, vm_slot(vm), e) == 0 && vm_record(vm, e) == 0;
}
