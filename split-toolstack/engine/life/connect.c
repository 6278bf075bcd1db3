/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps the pages of a VM and opens its channels; closes them, and destroys the domain. */
#include <errno.h>
#include <string.h>

#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"

int vm_check_domain(const struct vm *vm)
{
	return vm_map(vm)
		       ? 0
		       : xen_domain_is(engine_xen(vm_engine(vm)), vm_domid(vm), vm_uuid_bytes(vm));
}

/* After its pages were mapped, so that the id cannot be reused any more: checks that the domain has
 * the VM's uuid. */
static int check_again(struct vm *vm, struct err *e)
{
	int rc = xen_domain_is(engine_xen(vm_engine(vm)), vm_domid(vm), vm_uuid_bytes(vm));

	return rc < 0 ? err_sys(e, -rc, "read the state of domain %u from Xen", vm_domid(vm)) : 0;
}

int vm_map_pages(struct vm *vm, bool fresh, struct err *e)
{
	uint8_t *map = NULL;
	int rc;

	if (vm_map(vm))
		return 0;
	rc = domain_map(engine_xen(vm_engine(vm)), vm_domid(vm), vm_dev_frame(vm),
			vm_control_frame(vm), fresh, &map, e);
	if (rc == 0)
		vm_given_map(vm, map);
	return rc;
}

int vm_connect_again(struct vm *vm, struct err *e)
{
	int rc = vm_map_pages(vm, false, e);

	if (rc < 0)
		return rc;
	rc = check_again(vm, e);
	if (rc == 0) {
		control_adopt(vm);
		rc = guest_store_open(vm, true, e);
	}
	if (rc < 0)
		vm_disconnect(vm);
	return rc;
}

/* Its two pages stay mapped and belong to the caller. NULL: they were not mapped. */
static uint8_t *let_go(struct vm *vm)
{
	life_timer_stop(vm);
	mapping_close_now(vm_engine(vm), vm_mapping(vm), vm_change_dom(vm));
	guest_store_close(vm);
	control_close(vm);
	return vm_take_map(vm);
}

void vm_disconnect(struct vm *vm)
{
	uint8_t *map;

	fork_leave(vm);
	map = let_go(vm);
	if (map)
		xen_unmap(engine_xen(vm_engine(vm)), map, 2);
}

void vm_drop_domain(struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	uint32_t domid = vm_dom(vm)->domid;
	uint8_t *map;

	vm_leaves_gate(vm);
	drop_note(en, domid, vm_uuid_bytes(vm));
	fork_close(vm);
	map = let_go(vm);
	dom_release(vm_change_dom(vm));
	attaches_end(vm);
	devices_drop(vm_devices(vm));
	if (domid)
		domain_drop(en, domid, vm_uuid_bytes(vm),
			    vm_dom(vm)->pages ? vm_dom(vm)->pages : vm_pages(vm), vm_slot(vm), map,
			    false);
	else
		slot_put(engine_slots(en), vm_slot(vm));
	guest_store_forget(vm);
	names_ended(vm);
	vm_set_domid(vm, 0);
}
