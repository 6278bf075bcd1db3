/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes another slot if the domain id belongs to another domain. */
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"

/* Another toolstack can have taken the id, or a domain of chaosd that Xen cannot remove yet has it.
 */
#define SLOT_TRIES 64u

bool life_other_slot(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);

	if (++vm_life(vm)->create.slot_tries > SLOT_TRIES)
		return false;
	slot_put_last(engine_slots(en), vm_slot(vm));
	*e = (struct err){0};
	/* The record of the intent has the id: id and uuid together show the next daemon that the
	 * domain is chaosd's. */
	return slot_take(engine_slots(en), true, vm_slot(vm), e) == 0 && vm_record(vm, e) == 0;
}
