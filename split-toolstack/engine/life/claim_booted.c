/* SPDX-License-Identifier: BSD-3-Clause */
/* A create takes a copy of a booted guest from the pool: it gets a name and a record, and is
 * unpaused. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

/* Takes the name, which no other VM must have, and the uuid of the domain. */
static int identify(struct vm *vm, const char *name, struct err *e)
{
	struct vm_config *c = vm_change_cfg(vm);
	int rc;

	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	c->have_uuid = true;
	rc = vm_identify(vm, e);
	c->have_uuid = false;
	return rc < 0 ? rc : names_check(vm_engine(vm), vm_name(vm), e);
}

static void link_it(struct vm *vm)
{
	uint32_t domid = vm_domid(vm);

	vm_drop_domid(vm);
	vm_link_alive(vm);
	vm_set_domid(vm, domid);
	guest_store_renamed(vm);
}

/* The disks of the request must be those of the flavor. */
static bool has_disks(const struct pool_flavor *f, uint32_t flags)
{
	uint32_t disks = flags & VM_RESTORE_DISKS;

	return disks == 0 ||
	       (disks == VM_RESTORE_DISKS_READONLY && f->disks == POOL_DISKS_READONLY) ||
	       (disks == VM_RESTORE_DISKS_NONE && f->disks == POOL_DISKS_NONE);
}

bool vm_create_booted(struct engine *en, const struct snapshot *from, const struct vm_taking *c,
		      const char **why)
{
	uint64_t start_ns = clock_ns();
	struct vm *vm = NULL;
	const struct vm_timings none = {0};
	const struct pool_flavor *low;
	struct err e = {0};
	const struct life_news n = {.e = &e};
	int rc;

	if (has_disks(pool_boots(en, from->name), c->flags))
		vm = pool_booted_next(en, from->name, c->vif, why);
	else
		*why = "other disks than the copies in the pool have";
	if (!vm)
		return false;
	rc = identify(vm, c->name, &e);
	if (rc < 0) {
		c->fn(c->arg, rc, NULL, &none, &e);
		return true;
	}
	pool_booted_take(en, from->name, &low);
	if (from->foreign)
		drop_unknown_paths(en, vm_change_cfg(vm));
	vm_life(vm)->create = (struct vm_create){.flags = c->flags & VM_CREATE_PAUSED,
						 .fn = c->fn,
						 .arg = c->arg,
						 .start_ns = start_ns};
	vm_life(vm)->t = (struct vm_timings){.way = VM_BOOTED, .why = ""};
	vm_forget_phases(vm);
	vm_is_asked_for(vm, c->flags & VM_CREATE_PAUSED ? WANT_PAUSED : WANT_RUN, false);
	life_go(vm, NOW_ARRIVING); /* complete: it runs when the create lets it */
	link_it(vm);
	vm_announce(vm, VM_EV_CREATED);
	if (low)
		vms_announce_low(en, low);
	(void)life_event(vm, LIFE_TAKEN, &n);
	return true;
}
