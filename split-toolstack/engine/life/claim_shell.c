/* SPDX-License-Identifier: BSD-3-Clause */
/* A create takes a shell from the pool: its domain becomes the VM's. */
#include <string.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/events.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/records.h"
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
			rc = xen_domain_set_uuid(engine_xen(en), domid, vm->uuid);
		if (rc == 0)
			registry_delete(engine_registry(en), uuid);
		return rc;
	}
	vm_set_uuid(vm, uuid);
	return 0;
}

static void take_parts(struct vm *vm, const struct shell_parts *parts)
{
	vm->dom = parts->dom;
	memcpy(vm->dom.uuid, vm->uuid, sizeof(vm->dom.uuid));
	vm->slot = parts->slot;
	vm->guest_port = parts->guest_port;
	vm->store_port = parts->store_port;
	vm->map = parts->map;
	vm->dom.control = vm->restore && vm->map ? vm->map + 4096 : NULL;
	vm->at_gate = parts->at_gate;
	control_take_port(vm, parts->port);
	if (parts->low)
		vms_announce_low(vm->en, parts->low);
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
	if (pool_is_empty(engine_pool(en)))
		return false;
	if (!pool_take(en, &want, &parts, &vm->t.why))
		return false;
	vm->t.way = parts.at_gate ? VM_GATED : parts.warm ? VM_WARM : VM_SHELL;
	take_parts(vm, &parts);
	if (vm->map && !vm->restore) /* else the worker needs it first */
		window_close_later(vm->en, &vm->window, &vm->dom);
	return true;
}

/* --- copies of a snapshot: they lack nothing --- */

void copy_place(struct vm *vm)
{
	struct err err = {0};
	const struct life_news n = {.e = &err};

	(void)life_event(vm, LIFE_PLACED, &n);
}

void copy_build(struct vm *vm, struct err *e)
{
	const struct shell_want want = {
		.cfg = &vm->cfg, .devices = &vm->devices, .identify = take_identity, .arg = vm};
	struct life_news n = {.e = e};
	struct shell_parts parts;

	vm->t = (struct vm_timings){.way = VM_BOOTED, .why = ""};
	n.rc = pool_take_copy(vm->en, vm->copy_of, &want, &parts, e);
	if (n.rc == 0) {
		take_parts(vm, &parts);
		/* what came before was not on our time */
		memset(vm->dom.phase_ns, 0, sizeof(vm->dom.phase_ns));
	}
	vm_announce(vm, VM_EV_CREATED);
	(void)life_event(vm, LIFE_BUILT, &n);
}
