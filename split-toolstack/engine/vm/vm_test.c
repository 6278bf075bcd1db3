/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of this room for unit tests. */
#include "split-toolstack/engine/vm/vm_test.h"

#include <stdio.h>
#include <string.h>

#include "split-toolstack/engine/vm/vm-t.h"

void vm_test_make_building(struct vm *vm, const uint8_t uuid[16], uint32_t domid)
{
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	vm->state.now = NOW_BUILDING;
	slot_set_domid(&vm->slot, domid);
}

void vm_test_make_ended(struct vm *vm, const char *name, const uint8_t uuid[16], uint64_t ended_ns)
{
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	vm_test_set_name(vm, name);
	vm->state.now = NOW_ENDED;
	vm->ended_ns = ended_ns;
}

void vm_test_set_name(struct vm *vm, const char *name)
{
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
}

void vm_test_ran(struct vm *vm, uint64_t ns)
{
	vm->started_ns -= ns;
}
