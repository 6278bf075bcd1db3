/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's pages mapped and its channels heard, and the end of that. */
#include <errno.h>
#include <string.h>

#include <utlist.h>

#include "dom0/devtree.h"
#include "noxs/page.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/vm/vm-t.h"

int vm_check_domain(const struct vm *vm)
{
	return vm->map ? 0 : xen_domain_is(vm->en->x, vm->domid, vm->uuid);
}

/* A guest that had not bound its end when the last daemon went still can: to a new port. */
static int reserve_again(struct vm *vm)
{
	int rc = xen_evtchn_reserve(vm->en->x, vm->domid, &vm->port);

	if (rc == 0)
		noxs_page_set_remote(vm->map, vm->port);
	return rc;
}

/* A backend that has not come yet binds to it. */
static bool is_device_port(struct vm *vm, uint32_t port)
{
	bool is = false;

	for (uint32_t i = 0; i < vm->cfg.ndevice; i++) {
		const struct device_config *c = &vm->cfg.device[i];
		struct devtree_id id = {device_kind_name(c->kind), vm->domid, c->devid};
		char at[DEVTREE_PATH_MAX];
		uint32_t n = 0;

		devtree_front(&id, "event-channel", at);
		is = is || (store_get_u32(engine_store(vm->en), at, &n) == 0 && n == port);
	}
	return is;
}

/* The guest's end of the channel that the last daemon has left, or an end that is not bound. */
static int find_port(struct vm *vm, uint32_t *port)
{
	uint32_t end = dom_evtchn_port_max(&vm->cfg.limits, vm->noxs) + 1;
	int rc;

	*port = 0;
	do
		rc = xen_evtchn_find(vm->en->x, vm->domid, *port + 1, end, port);
	while (rc == 0 && is_device_port(vm, *port));
	return rc;
}

static int bind_port(struct vm *vm, bool adopt, struct err *e)
{
	uint32_t guest_port = vm->guest_port;
	int rc = 0;

	if (guest_port == 0 && !adopt) {
		vm->port = vm->slot.port; /* the guest binds to it */
		return 0;
	}
	if (guest_port == 0)
		rc = find_port(vm, &guest_port);
	if (rc == -ENOENT)
		rc = reserve_again(vm);
	else if (rc == 0)
		rc = xen_evtchn_bind(vm->en->x, vm->domid, guest_port, &vm->port);
	if (rc < 0) {
		vm->port = 0;
		return err_sys(e, -rc, "bind to event channel %u of domain %u", guest_port,
			       vm->domid);
	}
	return 0;
}

static void unlist(struct vm *vm)
{
	if (vm->unheard_prev)
		DL_DELETE2(vm->en->guests.unheard, vm, unheard_prev, unheard_next);
	vm->unheard_prev = NULL;
}

int vm_listen(struct vm *vm, struct err *e)
{
	bool adopted = vm->unheard_prev != NULL;
	int rc = bind_port(vm, adopted, e);

	if (rc == 0 && vm_hear(vm) < 0) {
		if (adopted) { /* else vm_disconnect() does: the port is the slot's */
			(void)xen_evtchn_unbind(vm->en->x, vm->port);
			vm->port = 0;
		}
		rc = err_set(e, ENOMEM, "out of memory");
	}
	if (rc < 0)
		return rc;
	unlist(vm);
	if (adopted && vm->guest_port == 0) /* its id keeps the port when it ends */
		vm->slot.port = vm->port;
	return 0;
}

/* From now on the id is this domain's: is it the VM's? */
static int check_again(struct vm *vm, struct err *e)
{
	int rc = xen_domain_is(vm->en->x, vm->domid, vm->uuid);

	return rc < 0 ? err_sys(e, -rc, "ask Xen for domain %u", vm->domid) : 0;
}

int vm_connect(struct vm *vm, bool adopt, struct err *e)
{
	int rc = vm->map ? 0
			 : domain_map(vm->en, vm->domid, vm->dev_frame, vm->control_frame, !adopt,
				      &vm->map, e);

	if (rc < 0)
		return rc;
	if (adopt)
		rc = check_again(vm, e);
	if (rc == 0 && adopt) {
		noxs_control_adopt(&vm->con, vm->map + 4096);
		DL_APPEND2(vm->en->guests.unheard, vm, unheard_prev, unheard_next);
	} else if (rc == 0) {
		noxs_control_init(&vm->con, vm->map + 4096);
		rc = vm_listen(vm, e);
	}
	if (rc == 0)
		rc = vm_view_open(vm, adopt, e);
	if (rc < 0)
		vm_disconnect(vm);
	return rc;
}

uint8_t *vm_let_go(struct vm *vm)
{
	struct engine *en = vm->en;
	uint8_t *map = vm->map;

	unlist(vm);
	life_timer_stop(vm);
	vm_close_window(vm);
	vm_view_close(vm);
	vm->map = NULL;
	vm->con.page = NULL;
	ports_ignore(en->ports, &vm->control);
	if (vm->port && vm->port != vm->slot.port)
		(void)xen_evtchn_unbind(en->x, vm->port);
	vm->port = 0;
	vm->input_len = 0;
	return map;
}

void vm_disconnect(struct vm *vm)
{
	uint8_t *map = vm_let_go(vm);

	if (map)
		xen_unmap(vm->en->x, map, 2);
}
