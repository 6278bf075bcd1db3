/* SPDX-License-Identifier: BSD-3-Clause */
/* engine_create(): checks a configuration, reserves name and uuid, and begins to place the VM. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/snapshots/snapshots.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

static int foreign_has_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct xen_domain_info info[64];
	uint32_t first = 1;
	int n;

	while ((n = xen_domain_list(engine_xen(en), first, 64, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (memcmp(info[i].uuid, uuid, 16) == 0 && !info[i].dying &&
			    !domain_is_dropped(en, info[i].domid))
				return 1;
		first = info[n - 1].domid + 1;
	}
	return n;
}

int create_check_memory(struct engine *en, const struct vm_config *c, struct err *e)
{
	uint64_t free_pages;

	if (xen_free_pages(engine_xen(en), &free_pages) < 0 ||
	    c->mem_kib / 4 <= free_pages + memory_promised(en))
		return 0;
	if (pool_drop(en) && (xen_free_pages(engine_xen(en), &free_pages) < 0 ||
			      c->mem_kib / 4 <= free_pages + memory_promised(en)))
		return 0;
	return err_set(e, ENOMEM,
		       "not enough memory: the VM needs %llu MiB, %llu MiB are free; give it less, "
		       "end other VMs, or take some from dom0 (\"xl mem-set 0 SIZE\")",
		       (unsigned long long)c->mem_kib >> 10, (unsigned long long)free_pages >> 8);
}

/* All checks except that of memory. */
static int check_kind(struct engine *en, const struct vm_config *c, bool built, struct err *e)
{
	int rc = built ? vm_config_check_built(c, e) : vm_config_check(c, e);

	if (rc < 0)
		return rc;
	if (c->type == DOM_PVH && !engine_xen_host(en)->hvm)
		return err_set(e, EOPNOTSUPP,
			       "type \"pvh\": this host has no hardware "
			       "virtualization with nested paging; use type=\"pv\"");
	if (c->type == DOM_PV && !engine_xen_host(en)->pv)
		return err_set(e, EOPNOTSUPP,
			       "type \"pv\": this Xen runs no PV guests; use type=\"pvh\"");
	return 0;
}

int create_check(struct engine *en, const struct vm_config *c, bool built, struct err *e)
{
	int rc = check_kind(en, c, built, e);

	return rc == 0 && c->mem_kib > INLINE_MEM_KIB ? create_check_memory(en, c, e) : rc;
}

/* Gives the VM its configuration, if it is valid and no other VM has its name, its uuid or a
 * resource that its devices need. `wait`: devices that are being removed have one. */
static int accept_config(struct vm *vm, struct vm_config *cfg, bool *wait, struct err *e)
{
	struct life *life = vm_life(vm);
	struct engine *en = vm_engine(vm);
	/* a copy has the memory of its original */
	int rc = life->copy_of ? check_kind(en, cfg, true, e)
			       : create_check(en, cfg, life->restore != NULL, e);

	if (rc == 0 && cfg->ndevice)
		rc = devices_admit(en, NULL, cfg, e);
	*wait = rc == -EAGAIN;
	if (rc < 0 && !*wait)
		return rc;
	*vm_change_cfg(vm) = *cfg;
	vm_config_init(cfg);
	rc = vm_identify(vm, e);
	if (rc == 0 && vm_cfg(vm)->have_uuid && foreign_has_uuid(en, vm_uuid_bytes(vm)) > 0)
		rc = err_set(e, EEXIST, "uuid: taken by a domain of another toolstack");
	if (rc == 0)
		rc = names_check(en, vm_name(vm), e);
	if (rc == 0 && vm_cfg(vm)->ndevice)
		rc = reservations_take(vm, e);
	return rc;
}

void engine_create(struct engine *en, struct vm_config *cfg, uint32_t flags, vm_create_fn *fn,
		   void *arg)
{
	vm_create(en, cfg, flags, NULL, fn, arg);
}

/* `vm` is new, or NULL without memory, and has the data of the request. */
static void create(struct engine *en, struct vm *vm, struct vm_config *cfg, uint32_t flags,
		   vm_create_fn *fn, void *arg)
{
	struct life *life = vm_life(vm);
	uint64_t start_ns = clock_ns();
	struct vm_timings none = {0};
	struct err err = {0};
	bool wait = false;
	struct vm *old;
	int rc;

	rc = vm ? accept_config(vm, cfg, &wait, &err) : err_set(&err, ENOMEM, "out of memory");
	if (rc < 0 || !vm) {
		vm_free(vm);
		vm_config_clear(cfg);
		fn(arg, rc, NULL, &none, &err);
		return;
	}
	/* its own state is new */
	old = vm_cfg(vm)->have_uuid ? engine_find_uuid(en, vm_uuid_bytes(vm)) : NULL;
	if (old) { /* in the history: the new VM continues it if the create succeeds */
		vm_has_past(vm, old);
		console_log_go_on(vm, old);
	}
	life->create =
		(struct vm_create){.flags = flags, .fn = fn, .arg = arg, .start_ns = start_ns};
	vm_is_asked_for(vm, flags & VM_CREATE_PAUSED ? WANT_PAUSED : WANT_RUN,
			flags & VM_CREATE_RESTART);
	vm_link_alive(vm);
	if (life_is_kept(vm)) /* also while it waits */
		(void)vm_record(vm, NULL);
	if (life->copy_of)
		copy_place(vm);
	else
		vm_place(vm, wait);
}

void vm_create(struct engine *en, struct vm_config *cfg, uint32_t flags, struct vm_restore *from,
	       vm_create_fn *fn, void *arg)
{
	struct vm *vm = vm_new(en);

	if (vm) {
		vm_life(vm)->restore = from;
		if (from)
			devices_pin(vm_devices(vm)); /* there may be copies of it */
	}
	create(en, vm, cfg, flags, fn, arg);
}

bool vm_create_copy(struct engine *en, const struct snapshot *from, const struct vm_taking *c,
		    const char **why)
{
	const struct vm_config *is;
	struct vm_config cfg;
	struct vm *vm;

	is = c->vif ? NULL : pool_copy_waits(en, from->name, why);
	if (!is)
		return false;
	if (vm_config_copy(&cfg, is) < 0) {
		*why = "out of memory";
		return false;
	}
	(void)snprintf(cfg.name, sizeof(cfg.name), "%s", c->name);
	cfg.have_uuid = false;
	if (from->foreign)
		drop_unknown_paths(en, &cfg);
	vm = vm_new(en);
	if (vm)
		vm_life(vm)->copy_of = from->name;
	create(en, vm, &cfg, c->flags & (VM_CREATE_PAUSED | VM_CREATE_WAIT_READY), c->fn, c->arg);
	return true;
}
