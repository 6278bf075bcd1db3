/* SPDX-License-Identifier: BSD-3-Clause */
/* After a restart of the daemon: adopts what runs, removes what was half made, remembers the rest.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/device.h"

/* Finds the domain of a record among all; others with its uuid are left-overs and go. */
static bool find_domain(struct vm *vm, bool keep, struct xen_domain_info *out)
{
	struct engine *en = vm->en;
	struct xen_domain_info info[64];
	uint32_t first = 1;
	bool found = false;
	int n;

	while ((n = xen_domain_list(en->x, first, 64, info)) > 0) {
		for (int i = 0; i < n; i++) {
			if (memcmp(info[i].uuid, vm->uuid, sizeof(vm->uuid)) != 0)
				continue;
			if (keep && info[i].domid == vm->domid && !info[i].dying) {
				*out = info[i];
				found = true;
			} else if (!info[i].dying) {
				log_line(LOG_INFO, "op=clean dom=%u name=%s", info[i].domid,
					 vm->name);
				(void)xen_domain_destroy(en->x, info[i].domid, vm->uuid);
			}
		}
		first = info[n - 1].domid + 1;
	}
	return found;
}

static void remember(struct vm *vm, enum vm_reason reason)
{
	if (vm->state != VM_ENDED) {
		vm->state = VM_ENDED;
		vm->reason = reason;
		vm->ended_ns = clock_wall_ns();
	}
	vm->domid = 0;
	(void)registry_put(vm, NULL);
	(void)console_log_open_old(vm);
	console_log_close(&vm->log); /* its numbers stay; the file opens when it is read */
	vm_retire(vm);
}

/* Name, tables, ring position, port: as before the daemon died. */
static int take_over(struct vm *vm, struct err *e)
{
	uint32_t domid = vm->domid;
	int rc;

	vm->domid = 0;
	vm->announced = true;
	vm_link_alive(vm);
	vm_set_domid(vm, domid);
	if (claims_take(vm, e) < 0)
		log_line(LOG_ERROR, "op=adopt name=%s: %s", vm->name, err_msg(e));
	rc = vm_connect(vm, true, e);
	if (rc < 0)
		return rc;
	/* Its id becomes a slot again when it ends, with the port when that is not the guest's own.
	 */
	vm->slot = (struct slot){domid, vm->guest_port ? 0 : vm->port};
	slots_adopt(vm->en, domid);
	if (console_log_open_old(vm) == 0)
		/* What the log has and the ring still shows must not be taken twice. */
		vm->con.out_cons = vm->log.ring_cons;
	return 0;
}

static void adopt(struct vm *vm)
{
	struct xen_domain_info info;
	struct err err = {0};
	bool alive = vm->state == VM_RUNNING || vm->state == VM_PAUSED ||
		     vm->state == VM_ENDED_PRESERVED;

	if (!find_domain(vm, alive, &info)) {
		if (vm->state == VM_BUILDING && vm->restarts == 0) {
			registry_delete(vm->en, vm->uuid);
			log_line(LOG_INFO, "op=clean name=%s: was half made", vm->name);
			vm_free(vm);
			return;
		}
		remember(vm, VM_REASON_LOST);
		return;
	}
	if (take_over(vm, &err) < 0 && vm->state != VM_ENDED_PRESERVED) {
		log_line(LOG_ERROR, "op=adopt dom=%u name=%s: %s", vm->domid, vm->name,
			 err_msg(&err));
		(void)vm_destroy(vm, NULL);
		return;
	}
	log_line(LOG_INFO, "op=adopt dom=%u name=%s", vm->domid, vm->name);
	devices_adopt(vm);
	if (vm->state == VM_RUNNING && info.paused) /* recorded, but not started any more */
		vm_adopt_run(vm);
	if (vm->con.page)
		vm_look(vm);
}

int adopt_all(struct engine *en, struct err *e)
{
	int rc = registry_load(en, adopt, e);

	if (rc == 0) {
		drops_adopt(en);
		devices_adopted(en);
		storehost_tidy(en);
		death_scan(en); /* who died while nobody looked */
		death_hint(en);
	}
	return rc;
}
