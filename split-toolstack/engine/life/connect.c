/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's pages mapped and its channels heard, and the end of that and of its domain. */
#include <errno.h>
#include <string.h>

#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vm.h"

int vm_check_domain(const struct vm *vm)
{
	return vm->map ? 0 : xen_domain_is(engine_xen(vm->en), vm->domid, vm->uuid);
}

/* From now on the id is this domain's: is it the VM's? */
static int check_again(struct vm *vm, struct err *e)
{
	int rc = xen_domain_is(engine_xen(vm->en), vm->domid, vm->uuid);

	return rc < 0 ? err_sys(e, -rc, "ask Xen for domain %u", vm->domid) : 0;
}

int vm_connect_again(struct vm *vm, struct err *e)
{
	int rc = domain_map(engine_xen(vm->en), vm->domid, vm->dev_frame, vm->control_frame, false,
			    &vm->map, e);

	if (rc < 0)
		return rc;
	rc = check_again(vm, e);
	if (rc == 0) {
		control_adopt(vm);
		rc = vm_view_open(vm, true, e);
	}
	if (rc < 0)
		vm_disconnect(vm);
	return rc;
}

/* Its two pages stay mapped: they are the caller's. NULL: they were not. */
static uint8_t *let_go(struct vm *vm)
{
	uint8_t *map = vm->map;

	life_timer_stop(vm);
	window_close_now(vm->en, &vm->window, &vm->dom);
	vm_view_close(vm);
	control_close(vm);
	vm->map = NULL;
	return map;
}

void vm_disconnect(struct vm *vm)
{
	uint8_t *map;

	fork_leave(vm);
	map = let_go(vm);
	if (map)
		xen_unmap(engine_xen(vm->en), map, 2);
}

void vm_drop_domain(struct vm *vm)
{
	uint32_t domid = vm->dom.domid;
	uint8_t *map;

	vm->at_gate = false;
	drop_note(vm->en, domid, vm->uuid);
	fork_close(vm);
	map = let_go(vm);
	dom_release(&vm->dom);
	attaches_end(vm);
	devices_drop(&vm->devices);
	if (domid)
		domain_drop(vm->en, domid, vm->uuid, vm->dom.pages ? vm->dom.pages : vm->pages,
			    &vm->slot, map, false);
	else
		slot_put(engine_slots(vm->en), &vm->slot);
	vm_view_forget(vm);
	names_ended(vm);
	vm_set_domid(vm, 0);
}
