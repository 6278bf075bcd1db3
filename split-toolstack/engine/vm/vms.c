/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding VMs in the lists and tables. */
#include "split-toolstack/engine/vm/vms.h"

#include <string.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vms-t.h"

struct vm *vm_by_name(const struct engine *in, const char *name)
{
	const struct vms *all = engine_vms(in);
	struct vm *vm = NULL;

	HASH_FIND(links.by_name, all->by_name, name, strlen(name), vm);
	return vm;
}

struct vm *vm_by_uuid(const struct engine *in, const uint8_t uuid[16])
{
	const struct vms *all = engine_vms(in);
	struct vm *vm = NULL;

	HASH_FIND(links.by_uuid, all->by_uuid, uuid, 16, vm);
	return vm;
}

struct vm *vm_by_domid(const struct engine *in, uint32_t domid)
{
	const struct vms *all = engine_vms(in);
	struct vm *vm = NULL;

	HASH_FIND(links.by_domid, all->by_domid, &domid, sizeof(domid), vm);
	return vm;
}

struct vm *vms_alive(const struct engine *in)
{
	return engine_vms(in)->alive;
}

struct vm *vms_ended(const struct engine *in)
{
	return engine_vms(in)->ended;
}

struct vm *vm_next(const struct vm *vm)
{
	return vm->links.next;
}

const char *vm_why_unknown(const struct vm *vm)
{
	return vm->left.why;
}

bool vm_is_listed(const struct vm *vm)
{
	return vm->links.prev != NULL;
}

void vm_chain(struct vm **first, struct vm *vm)
{
	vm->links.next = *first;
	*first = vm;
}

struct vm *vm_unchain(struct vm **first)
{
	struct vm *vm = *first;

	if (vm)
		*first = vm->links.next;
	if (vm)
		vm->links.next = NULL;
	return vm;
}

uint32_t vms_count(const struct engine *in)
{
	const struct vms *all = engine_vms(in);

	return HASH_CNT(links.by_name, all->by_name);
}

uint32_t vms_ended_count(const struct engine *in)
{
	return engine_vms(in)->nended;
}
