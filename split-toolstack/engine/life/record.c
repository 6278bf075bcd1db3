/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a VM is recorded, and what a VM is that was. */
#include "split-toolstack/engine/life/record.h"

#include <stdio.h>
#include <string.h>

#include "split-toolstack/engine/private.h"
#include "split-toolstack/engine/registry/registry.h"

/* Of one that is being built the id that its domain will have; a last domain is noted elsewhere. */
static uint32_t domid_of(const struct vm *vm)
{
	if (vm->life.now == NOW_BUILDING || vm->life.now == NOW_CONNECTING)
		return vm->slot.domid;
	return life_has_domain(&vm->life) ? vm->domid : 0;
}

/* What the next daemon is told. */
static enum vm_want want_of(const struct vm_life *l)
{
	return life_is_over(l) || (!l->kept && life_state(l) == VM_BUILDING) ? WANT_GONE : l->want;
}

/* What a record says that has no word on it. */
static enum vm_want guess_want(enum vm_state recorded, bool restarted)
{
	if (recorded == VM_ENDED || (recorded == VM_BUILDING && !restarted))
		return WANT_GONE;
	return recorded == VM_PAUSED ? WANT_PAUSED : WANT_RUN;
}

int vm_record(const struct vm *vm, struct err *e)
{
	enum vm_state state = life_state(&vm->life);
	bool unknown = state == VM_UNKNOWN;
	bool threads = life_has_threads(&vm->life);
	struct vm_record r = {
		.name = vm->name,
		.cfg = &vm->cfg,
		.state = unknown ? vm->was : state,
		.reason = vm->reason,
		.exit_code = vm->exit_code,
		.domid = unknown ? vm->recorded : domid_of(vm),
		.guest_port = threads ? 0 : vm->guest_port, /* which they may be writing */
		.store_port = threads ? 0 : (uint16_t)vm->view.guest_port,
		.want = want_of(&vm->life),
		.restarts = vm->restarts,
		.noxs = vm->noxs,
		.ready = vm->ready,
		.pages = vm->pages,
		.dev_frame = vm->dev_frame,
		.control_frame = vm->control_frame,
		.created_ns = vm->created_ns,
		.started_ns = vm->started_ns,
		/* With the end of its past it is of the history if it never gets to run. */
		.ended_ns = state == VM_BUILDING && vm->past_ns ? vm->past_ns : vm->ended_ns,
	};

	memcpy(r.uuid, vm->uuid, sizeof(r.uuid));
	return registry_put(vm->en->registry, &r, e);
}

struct vm *vm_of_record(struct engine *en, const struct vm_record *r, struct vm_config *cfg)
{
	struct vm *vm = vm_new(en);

	if (!vm)
		return NULL;
	memcpy(vm->uuid, r->uuid, sizeof(vm->uuid));
	(void)snprintf(vm->name, sizeof(vm->name), "%s", r->name);
	vm->was = r->state;
	vm->recorded = r->domid; /* adopt.c decides whether it is the VM's */
	vm->life.now = vm->was == VM_ENDED ? NOW_ENDED : NOW_UNKNOWN;
	vm->life.want = r->want ? r->want : guess_want(r->state, r->restarts > 0);
	vm->life.kept = vm->life.want != WANT_GONE;
	vm->reason = r->reason;
	vm->exit_code = r->exit_code;
	vm->guest_port = r->guest_port;
	vm->view.guest_port = r->store_port;
	vm->restarts = r->restarts;
	vm->noxs = r->noxs;
	vm->ready = r->ready;
	vm->pages = r->pages;
	vm->dev_frame = r->dev_frame;
	vm->control_frame = r->control_frame;
	vm->created_ns = r->created_ns;
	vm->started_ns = r->started_ns;
	vm->ended_ns = r->ended_ns;
	vm->cfg = *cfg;
	memcpy(vm->cfg.uuid, r->uuid, sizeof(vm->cfg.uuid));
	vm_config_init(cfg);
	return vm;
}
