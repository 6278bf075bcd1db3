/* SPDX-License-Identifier: BSD-3-Clause */
/* A create takes a shell from the pool: its domain becomes the VM's. */
#include <string.h>

#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"

void vm_forget_phases(struct vm *vm)
{
	struct dom *d = vm_change_dom(vm);

	memset(d->phase_ns, 0, sizeof(d->phase_ns));
}

/* The VM takes the shell's uuid, unless its configuration has one. */
static int take_identity(void *arg, uint32_t domid, const uint8_t uuid[16])
{
	struct vm *vm = arg;
	struct engine *en = vm_engine(vm);
	int rc;

	if (vm_cfg(vm)->have_uuid || life_is_kept(vm)) {
		rc = vm_record_intent(vm, domid); /* with the uuid that it will have */
		if (rc == 0)
			rc = xen_domain_set_uuid(engine_xen(en), domid, vm_uuid_bytes(vm));
		if (rc == 0)
			registry_delete(engine_registry(en), uuid);
		return rc;
	}
	vm_set_uuid(vm, uuid);
	return 0;
}

static void take_parts(struct vm *vm, const struct shell_parts *parts)
{
	vm_given_domain(vm, &parts->dom, &parts->slot, parts->map, parts->at_gate);
	vm_given_ports(vm, parts->guest_port, parts->store_port);
	vm_change_dom(vm)->control = vm_life(vm)->restore && parts->map ? parts->map + 4096 : NULL;
	control_take_port(vm, parts->port);
	if (parts->low)
		vms_announce_low(vm_engine(vm), parts->low);
}

bool vm_claim_shell(struct vm *vm)
{
	struct life *life = vm_life(vm);
	struct engine *en = vm_engine(vm);
	const struct shell_want want = {.cfg = vm_cfg(vm),
					.img = life->img,
					.saved = life->restore != NULL,
					.devices = vm_devices(vm),
					.identify = take_identity,
					.arg = vm};
	struct shell_parts parts;

	life->t.way = VM_COLD;
	life->t.why = "no flavors";
	if (pool_is_empty(engine_pool(en)))
		return false;
	if (!pool_take(en, &want, &parts, &life->t.why))
		return false;
	life->t.way = parts.at_gate ? VM_GATED : parts.warm ? VM_WARM : VM_SHELL;
	take_parts(vm, &parts);
	if (vm_map(vm) && !life->restore) /* otherwise the worker needs it first */
		mapping_close_later(en, vm_mapping(vm), vm_change_dom(vm));
	return true;
}

/* --- copies of a snapshot: they are complete --- */

void copy_place(struct vm *vm)
{
	struct err err = {0};
	const struct life_news n = {.e = &err};

	(void)life_event(vm, LIFE_PLACED, &n);
}

void copy_build(struct vm *vm, struct err *e)
{
	struct life *life = vm_life(vm);
	const struct shell_want want = {
		.cfg = vm_cfg(vm), .devices = vm_devices(vm), .identify = take_identity, .arg = vm};
	struct life_news n = {.e = e};
	struct shell_parts parts;

	life->t = (struct vm_timings){.way = VM_BOOTED, .why = ""};
	n.rc = pool_take_copy(vm_engine(vm), life->copy_of, &want, &parts, e);
	if (n.rc == 0) {
		take_parts(vm, &parts);
		vm_forget_phases(vm);
	}
	vm_announce(vm, VM_EV_CREATED);
	(void)life_event(vm, LIFE_BUILT, &n);
}
