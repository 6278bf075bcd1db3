/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as records: what of them the registry gets. */
#ifndef CHAOS_VM_RECORDS_H
#define CHAOS_VM_RECORDS_H

#include <stdint.h>
#include <string.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm-t.h"

/* Of one that is being built the id that its domain will have; a last domain is noted elsewhere. */
static inline uint32_t record_domid(const struct vm *vm)
{
	if (vm->life.now == NOW_BUILDING || vm->life.now == NOW_CONNECTING ||
	    vm->life.now == NOW_ARRIVING || vm->life.now == NOW_WAKING)
		return vm->slot.domid;
	/* of one that falls asleep: the domain that is to go */
	return life_has_domain(&vm->life) || vm->life.now == NOW_ASLEEP ? vm->domid : 0;
}

/* What the next daemon is told. */
static inline enum vm_want record_want(const struct vm_life *l)
{
	return life_is_over(l) || (!l->kept && life_state(l) == VM_BUILDING) ? WANT_GONE : l->want;
}

/* The VM as it is now: an intent while it is being built. */
static inline void vm_as_record(const struct vm *vm, struct vm_record *r)
{
	enum vm_state state = life_state(&vm->life);
	bool unknown = state == VM_UNKNOWN;
	bool threads = life_has_threads(&vm->life);

	*r = (struct vm_record){
		.name = vm->name,
		.cfg = &vm->cfg,
		.state = unknown ? vm->left.was : state,
		.reason = vm->reason,
		.exit_code = vm->exit_code,
		.domid = unknown ? vm->left.domid : record_domid(vm),
		.guest_port = threads ? 0 : vm->guest_port, /* which they may be writing */
		.store_port = threads ? 0 : (uint16_t)vm->store_port,
		.want = record_want(&vm->life),
		.restarts = vm->restarts,
		.noxs = vm->noxs,
		.direct = vm->direct,
		.ready = vm->ready,
		.pages = vm->pages,
		.dev_frame = vm->dev_frame,
		.control_frame = vm->control_frame,
		.created_ns = vm->created_ns,
		.started_ns = vm->started_ns,
		/* With the end of its past it is of the history if it never gets to run. */
		.ended_ns = state == VM_BUILDING && vm->past_ns ? vm->past_ns : vm->ended_ns,
	};

	memcpy(r->uuid, vm->uuid, sizeof(r->uuid));
}

/* Records it. */
static inline int vm_record(const struct vm *vm, struct err *e)
{
	struct vm_record r;

	vm_as_record(vm, &r);
	return registry_put(engine_registry(vm->en), &r, e);
}

#endif
