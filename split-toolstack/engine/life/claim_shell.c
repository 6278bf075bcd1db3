/* SPDX-License-Identifier: BSD-3-Clause */
/* A create takes a shell from the pool: its domain becomes the VM's. */
#include <string.h>

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vm.h"

/* The VM takes the shell's uuid unless its creator chose one. */
static int take_identity(void *arg, uint32_t domid, const uint8_t uuid[16])
{
	struct vm *vm = arg;
	struct engine *en = vm->en;
	int rc;

	if (vm->cfg.have_uuid || vm->life.kept) {
		vm->slot.domid = domid;
		rc = vm_record(vm, NULL); /* the intent, under the uuid to come */
		vm->slot.domid = 0;
		if (rc == 0)
			rc = xen_domain_set_uuid(en->x, domid, vm->uuid);
		if (rc == 0)
			registry_delete(en->registry, uuid);
		return rc;
	}
	vm_set_uuid(vm, uuid);
	return 0;
}

bool vm_claim_shell(struct vm *vm)
{
	struct engine *en = vm->en;
	const struct shell_want want = {.cfg = &vm->cfg,
					.img = vm->img,
					.saved = vm->restore != NULL,
					.devices = &vm->devices,
					.identify = take_identity,
					.arg = vm};
	struct shell_parts parts;

	vm->t.way = VM_COLD;
	vm->t.why = "no flavors";
	if (pool_is_empty(en->pool))
		return false;
	if (!pool_take(en, &want, &parts, &vm->t.why))
		return false;
	vm->t.way = parts.warm ? VM_WARM : VM_SHELL;
	vm->dom = parts.dom;
	memcpy(vm->dom.uuid, vm->uuid, sizeof(vm->dom.uuid));
	vm->slot = parts.slot;
	vm->guest_port = parts.guest_port;
	vm->store_port = parts.store_port;
	vm->map = parts.map;
	if (vm->map && !vm->restore) /* else the worker needs it first */
		window_close_later(vm->en, &vm->window, &vm->dom);
	if (parts.low)
		vms_announce_low(en, parts.low);
	return true;
}
