/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes of a VM, for life/. */
#include "split-toolstack/engine/vm/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vm.h"

/* --- as an object --- */

struct vm *vm_alloc(struct engine *en)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->en = en;
	vm->exit_code = -1;
	vm->guest = &vm->guest_part;
	vm_config_init(&vm->cfg);
	dom_init(&vm->dom);
	return vm;
}

void vm_dealloc(struct vm *vm)
{
	dom_release(&vm->dom);
	vm_config_clear(&vm->cfg);
	free(vm);
}

void vm_set_first_name(struct vm *vm, const char *name)
{
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
	memcpy(vm->cfg.name, vm->name, sizeof(vm->name));
}

/* --- its create --- */

void vm_is_asked_for(struct vm *vm, enum vm_want want, bool restart)
{
	vm->state.want = want;
	vm->state.kept = restart;
	vm->restarts = restart ? 1 : 0;
	vm->created_ns = clock_wall_ns();
}

void vm_has_past(struct vm *vm, const struct vm *old)
{
	vm->past_ns = old->ended_ns;
	vm->reason = old->reason;
	vm->exit_code = old->exit_code;
}

bool vm_is_of_past(const struct vm *vm)
{
	return vm->past_ns != 0;
}

void vm_past_is_over(struct vm *vm)
{
	vm->past_ns = 0;
}

/* --- its domain --- */

void vm_given_domain(struct vm *vm, const struct dom *d, const struct slot *slot, uint8_t *map,
		     bool at_gate)
{
	vm->dom = *d;
	memcpy(vm->dom.uuid, vm->uuid, sizeof(vm->dom.uuid));
	vm->slot = *slot;
	vm->map = map;
	vm->at_gate = at_gate;
}

void vm_given_ports(struct vm *vm, uint32_t guest_port, uint32_t store_port)
{
	vm->guest_port = guest_port;
	vm->store_port = store_port;
}

void vm_given_map(struct vm *vm, uint8_t *map)
{
	vm->map = map;
}

void vm_is_built(struct vm *vm, bool noxs, bool direct)
{
	vm_set_domid(vm, vm->dom.domid);
	vm->dev_frame = vm->dom.dev_frame;
	vm->control_frame = vm->dom.control_frame;
	vm->pages = vm->dom.pages;
	vm->noxs = noxs;
	vm->direct = direct;
}

/* --- its run --- */

void vm_is_started(struct vm *vm)
{
	vm->state.now = vm->state.want == WANT_PAUSED ? NOW_PAUSED : NOW_RUNNING;
	vm->started_ns = clock_wall_ns();
	vm->reason = VM_REASON_NONE;
	vm->exit_code = -1;
}

void vm_set_ready(struct vm *vm, bool ready)
{
	vm->ready = ready;
}

/* --- its end --- */

void vm_has_reason(struct vm *vm, enum vm_reason reason, int exit_code)
{
	vm->reason = reason;
	vm->exit_code = exit_code;
}

void vm_ends(struct vm *vm)
{
	vm->ended_ns = clock_wall_ns();
}

void vm_ends_to_restart(struct vm *vm)
{
	vm_ends(vm);
	vm->state.now = NOW_WAITING;
	vm->state.want = WANT_RUN;
	vm->restarts++;
}

/* --- after a restart of the daemon --- */

void vm_is_left_as(struct vm *vm, enum vm_state was, uint32_t domid)
{
	vm->left.was = was;
	vm->left.domid = domid;
}

bool vm_is_left_for(struct vm *vm, const char *why)
{
	if (strncmp(vm->left.why, why, sizeof(vm->left.why) - 1) == 0)
		return false;
	(void)snprintf(vm->left.why, sizeof(vm->left.why), "%s", why);
	return true;
}

void vm_is_found_asleep(struct vm *vm)
{
	vm->left = (struct vm_left){0};
	vm->state = (struct life_state){.now = NOW_ASLEEP, .want = WANT_RUN, .kept = true};
	vm->reason = VM_REASON_NONE;
	vm->exit_code = -1;
	vm->ready = false;
	vm->ended_ns = 0;
}
