/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts VMs again after their end (on_*=restart, rename-restart). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include <xen/sched.h> /* behind xenctrl.h */

static void restart_now(struct vm *vm)
{
	struct life *life = vm_life(vm);

	life_wait_for(vm, WAIT_OTHERS);
	life->create.flags = 0;
	vm_set_ready(vm, false);
	life->create.start_ns = clock_ns();
	vm_place_again(vm);
}

int life_restart(struct vm *vm, const struct life_news *n)
{
	(void)n;
	restart_now(vm);
	return 0;
}

int life_delay(struct vm *vm, const struct life_news *n)
{
	bool fast = vm_ended_ns(vm) - vm_started_ns(vm) < (uint64_t)(RESTART_MIN_S * 1e9);

	(void)n;
	/* from the loop, not inside the function that ends a device */
	life_restart_in(vm, fast ? RESTART_MIN_S : 0.);
	return 0;
}

void life_end_to_restart(struct vm *vm)
{
	struct engine *en = vm_engine(vm);
	uint64_t lived = clock_wall_ns() - vm_started_ns(vm);
	uint32_t domid = vm_domid(vm);

	vm_ends_to_restart(vm);
	/* it boots again, so it is not a copy any more */
	vm_config_set_snapshot(vm_change_cfg(vm), NULL);
	drop_note(en, domid, vm_uuid_bytes(vm));
	life_record(vm);
	vm_drop_domain(vm);
	life_wait_for(vm, WAIT_OWN);
	if (vm_cfg(vm)->ndevice &&
	    devices_wait(en, vm_devices(vm), domid)) /* its disks are still in use */
		return;
	if (lived >= (uint64_t)(RESTART_MIN_S * 1e9))
		restart_now(vm);
	else
		life_restart_in(vm, RESTART_MIN_S);
}

static void ignore_create(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
			  const struct err *e)
{
	(void)arg;
	(void)t;
	(void)vm;
	if (rc < 0)
		log_line(LOG_ERROR, "op=rename-restart: %s", err_msg(e));
}

void life_rename_to_restart(struct vm *vm)
{
	struct vm_config c;
	struct err err = {0};
	char name[VM_NAME_MAX + 1];

	life_go(vm, NOW_PRESERVED);
	if (vm_config_copy(&c, vm_cfg(vm)) < 0) {
		log_line(LOG_ERROR, "op=rename-restart name=%s: out of memory", vm_name(vm));
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		return;
	}
	vm_config_set_snapshot(&c, NULL);
	memcpy(c.name, vm_name(vm), sizeof(c.name));
	(void)snprintf(name, sizeof(name), "%.*s-%u", VM_NAME_MAX - 8, vm_name(vm), vm_domid(vm));
	if (vm_rename(vm, name, &err) < 0) {
		log_line(LOG_ERROR, "op=rename-restart name=%s: %s", vm_name(vm), err_msg(&err));
		vm_config_clear(&c);
		life_record(vm);
		vm_announce(vm, VM_EV_PRESERVED);
		return;
	}
	vm_announce(vm, VM_EV_PRESERVED);
	(void)reservations_take(vm, NULL); /* the MACs of interfaces stay reserved */
	engine_create(vm_engine(vm), &c, VM_CREATE_RESTART, ignore_create, NULL);
}
