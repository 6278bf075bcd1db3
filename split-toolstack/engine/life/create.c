/* SPDX-License-Identifier: BSD-3-Clause */
/* engine_create(): the checks of a configuration, name and uuid, and then on to the build. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

static int foreign_has_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct xen_domain_info info[64];
	uint32_t first = 1;
	int n;

	while ((n = xen_domain_list(en->x, first, 64, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (memcmp(info[i].uuid, uuid, 16) == 0 && !info[i].dying &&
			    !domain_is_dropped(en, info[i].domid))
				return 1;
		first = info[n - 1].domid + 1;
	}
	return n;
}

static int identify(struct engine *en, struct vm *vm, struct err *e)
{
	struct vm *other = NULL;

	if (vm->cfg.have_uuid) {
		memcpy(vm->uuid, vm->cfg.uuid, sizeof(vm->uuid));
		other = vm_by_uuid(en, vm->uuid);
		if (other)
			return err_set(e, EEXIST,
				       "uuid: taken by \"%s\"; leave it out or destroy that one",
				       other->name);
		if (foreign_has_uuid(en, vm->uuid) > 0)
			return err_set(e, EEXIST, "uuid: taken by a domain of another toolstack");
	} else {
		int rc = uuid_random(vm->uuid, e);

		if (rc < 0)
			return rc;
	}
	memcpy(vm->cfg.uuid, vm->uuid, sizeof(vm->uuid));
	if (vm->cfg.name[0] == '\0')
		(void)snprintf(vm->cfg.name, sizeof(vm->cfg.name), "vm-%02x%02x%02x%02x",
			       vm->uuid[0], vm->uuid[1], vm->uuid[2], vm->uuid[3]);
	memcpy(vm->name, vm->cfg.name, sizeof(vm->name));
	other = vm_by_name(en, vm->name);
	if (other)
		return err_set(
			e, EEXIST,
			"name \"%s\": taken by domain %u; choose another or destroy that one",
			vm->name, other->domid);
	return names_check(en, vm->name, e);
}

/* Big guests are refused before anything is made; small ones find out on the way. What is being
 * destroyed counts as free: builds wait for it (memory.h). */
static int enough_memory(struct engine *en, const struct vm_config *c, struct err *e)
{
	uint64_t free_pages;

	if (c->mem_kib <= INLINE_MEM_KIB || xen_free_pages(en->x, &free_pages) < 0 ||
	    c->mem_kib / 4 <= free_pages + memory_promised(en))
		return 0;
	if (pool_drop(en) && (xen_free_pages(en->x, &free_pages) < 0 ||
			      c->mem_kib / 4 <= free_pages + memory_promised(en)))
		return 0;
	return err_set(e, ENOMEM,
		       "not enough memory: %llu MiB wanted, %llu MiB free; give less, or free some "
		       "(dom0's own: \"xl mem-set 0\")",
		       (unsigned long long)c->mem_kib >> 10, (unsigned long long)free_pages >> 8);
}

/* No observer has heard of it yet. */
static void refuse(struct vm *vm, int rc, const struct err *e)
{
	vm_create_done(vm, rc, e);
	vm_unmake(vm, false); /* it may have been renamed, and so recorded */
}

/* Waits for what is leaving, goes on, or ends; whatever else is wrong with a VM that is restarted,
 * its build says. True: it goes on. */
static bool is_admitted(struct vm *vm, int rc, struct err *e)
{
	struct teardown_wait *l = &vm->teardown_wait;

	if (rc == -EAGAIN && (l->until == 0. || ev_now(vm->en->loop) < l->until)) {
		files_drop(&vm->files);
		teardown_wait_begin(vm->en, l);
		return false;
	}
	if (rc == -EAGAIN)
		rc = teardown_wait_over(e);
	if (rc == 0 || vm->life.kept)
		return true;
	l->until = 0.;
	refuse(vm, rc, e);
	return false;
}

static void files_are_open(void *arg, struct files *f)
{
	struct vm *vm = arg;
	struct err err = {0};
	int rc = disks_admit(vm, f, &err);

	if (!is_admitted(vm, rc, &err))
		return;
	vm->teardown_wait.until = 0.;
	rc = devices_have_files(vm->en, &vm->cfg) ? reservations_take(vm, &err)
						  : 0; /* by what they are, too */
	vm_place(vm, rc, &err);
}

static bool names_files(const struct vm *vm)
{
	const struct vm_config *c = &vm->cfg;

	return (c->kernel_fd < 0 && c->kernel) || (c->ramdisk_fd < 0 && c->ramdisk) ||
	       devices_have_files(vm->en, c);
}

static int list_files(const struct vm *vm, struct files *f, struct err *e)
{
	const struct vm_config *c = &vm->cfg;
	int rc = 0;

	if (c->kernel_fd < 0 && c->kernel)
		rc = images_add(vm->en->images, f, c->kernel, "kernel", e);
	if (rc == 0 && c->ramdisk_fd < 0 && c->ramdisk)
		rc = images_add(vm->en->images, f, c->ramdisk, "ramdisk", e);
	return rc < 0 ? rc : devices_add_files(vm->en, c, f, e);
}

static void open_files(struct vm *vm)
{
	struct err err = {0};
	int rc;

	files_drop(&vm->files);
	if (!names_files(vm)) {
		files_are_open(vm, NULL);
		return;
	}
	vm->files = files_new(vm->en->opener);
	rc = vm->files ? list_files(vm, vm->files, &err) : err_set(&err, ENOMEM, "out of memory");
	if (rc < 0)
		vm_place(vm, rc, &err);
	else if (files_open(vm->files, files_are_open, vm))
		files_are_open(vm, vm->files);
}

static void build_again(struct teardown_wait *l, bool last)
{
	struct vm *vm = (struct vm *)(void *)((char *)l - offsetof(struct vm, teardown_wait));
	struct err err = {0};
	int rc = devices_admit(vm->en, vm, &vm->cfg, &err);

	(void)last; /* by its time */
	if (is_admitted(vm, rc, &err))
		open_files(vm);
}

void vm_build_when_free(struct vm *vm)
{
	vm->teardown_wait.again = build_again;
	build_again(&vm->teardown_wait, false);
}

void engine_create(struct engine *en, struct vm_config *cfg, uint32_t flags, vm_create_fn *fn,
		   void *arg)
{
	uint64_t start_ns = clock_ns();
	struct vm_timings none = {0};
	struct err err = {0};
	struct vm *vm = NULL;
	bool wait = false;
	struct vm *old;
	int rc = vm_config_check(cfg, &err);

	if (rc == 0 && cfg->type == DOM_PVH && !en->host.hvm)
		rc = err_set(&err, EOPNOTSUPP,
			     "type \"pvh\": this host has no hardware "
			     "virtualization with nested paging; use type=\"pv\"");
	if (rc == 0 && cfg->type == DOM_PV && !en->host.pv)
		rc = err_set(&err, EOPNOTSUPP,
			     "type \"pv\": this Xen runs no PV guests; use type=\"pvh\"");
	if (rc == 0)
		rc = enough_memory(en, cfg, &err);
	if (rc == 0)
		rc = devices_admit(en, NULL, cfg, &err);
	if (rc == -EAGAIN) {
		wait = true;
		rc = 0;
	}
	if (rc == 0) {
		vm = vm_new(en);
		if (!vm)
			rc = err_set(&err, ENOMEM, "out of memory");
	}
	if (rc == 0) {
		vm->cfg = *cfg;
		vm_config_init(cfg);
		rc = identify(en, vm, &err);
	}
	if (rc == 0)
		rc = reservations_take(vm, &err);
	if (rc < 0 || !vm) {
		vm_free(vm);
		vm_config_clear(cfg);
		fn(arg, rc, NULL, &none, &err);
		return;
	}
	old = vm->cfg.have_uuid ? engine_find_uuid(en, vm->uuid) : NULL; /* ours are new */
	if (old) { /* of the history: it goes on if this works */
		vm->past_ns = old->ended_ns;
		vm->reason = old->reason;
		vm->exit_code = old->exit_code;
		console_log_go_on(vm, old);
	}
	vm->create.flags = flags;
	vm->life.want = flags & VM_CREATE_PAUSED ? WANT_PAUSED : WANT_RUN;
	vm->life.kept = flags & VM_CREATE_RESTART;
	vm->restarts = vm->life.kept ? 1 : 0;
	vm->create.fn = fn;
	vm->create.arg = arg;
	vm->create.start_ns = start_ns;
	vm->created_ns = clock_wall_ns();
	vm_link_alive(vm);
	vm->teardown_wait.again = build_again;
	if (vm->life.kept) /* also while it waits */
		(void)vm_record(vm, NULL);
	if (wait)
		teardown_wait_begin(en, &vm->teardown_wait);
	else
		open_files(vm);
}
