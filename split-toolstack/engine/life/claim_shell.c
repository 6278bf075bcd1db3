/* SPDX-License-Identifier: BSD-3-Clause */
/* A create takes a shell from the pool: its domain becomes the VM's. */
#include "split-toolstack/engine/devices/device.h"

#include <string.h>

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
	HASH_DELETE(by_uuid, en->uuids, vm);
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	memcpy(vm->cfg.uuid, uuid, sizeof(vm->uuid));
	HASH_ADD(by_uuid, en->uuids, uuid[0], sizeof(vm->uuid), vm);
	return 0;
}

static void announce_low(struct engine *en, const struct pool_flavor *f)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = en->observers; ob; ob = next) {
		next = ob->next;
		ob->fn(ob, VM_EV_POOL_LOW, NULL, f);
	}
}

bool vm_claim_shell(struct vm *vm)
{
	struct engine *en = vm->en;
	const struct shell_want want = {.cfg = &vm->cfg,
					.img = vm->img,
					.devices = &vm->devices,
					.identify = take_identity,
					.arg = vm};
	struct shell_parts parts;

	vm->t.way = VM_COLD;
	if (!pool_take(en, &want, &parts, &vm->t.why))
		return false;
	vm->t.way = parts.warm ? VM_WARM : VM_SHELL;
	vm->dom = parts.dom;
	memcpy(vm->dom.uuid, vm->uuid, sizeof(vm->dom.uuid));
	vm->slot = parts.slot;
	vm->guest_port = parts.guest_port;
	vm->view.guest_port = parts.store_port;
	vm->map = parts.map;
	if (vm->map) /* else the worker needs it first */
		vm_list_window(vm);
	if (parts.low)
		announce_low(en, parts.low);
	return true;
}
