/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes and frees VMs: new ones, and those of records. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

/* --- reports of its devices --- */

static void raise_event(struct device_set *s, enum life_event ev)
{
	const struct life_news n = {0};

	(void)life_event(vm_of_devices(s), ev, &n);
}

static void devices_changed(struct device_set *s, bool news)
{
	(void)news;
	raise_event(s, LIFE_CONNECTED);
}

static void devices_failed(struct device_set *s, const struct err *e)
{
	(void)e;
	raise_event(s, LIFE_CONNECTED);
}

static void devices_gone(struct device_set *s)
{
	raise_event(s, LIFE_FREED);
}

static bool devices_are_remembered(struct device_set *s)
{
	return vm_is_restored(vm_of_devices(s));
}

static const struct device_set_ops device_set_ops = {.changed = devices_changed,
						     .failed = devices_failed,
						     .gone = devices_gone,
						     .remembered = devices_are_remembered};

/* --- new VMs, and their end --- */

struct vm *vm_new(struct engine *en)
{
	struct vm *vm = vm_alloc(en);

	if (!vm)
		return NULL;
	(void)devices_set_ops(vm_devices(vm), &device_set_ops);
	guest_begin(vm);
	return vm;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	life_timer_stop(vm);
	teardown_wait_end(vm_engine(vm), &vm_life(vm)->teardown_wait);
	reservations_drop(vm);
	image_put(vm_life(vm)->img);
	files_drop(vm_files(vm));
	guest_end(vm);
	vm_dealloc(vm);
}

bool vm_is_restored(const struct vm *vm)
{
	return vm_known_life(vm)->restore != NULL;
}

/* --- VMs of records --- */

struct vm *vm_of_record(struct engine *en, const struct vm_record *r, struct vm_config *cfg)
{
	struct vm *vm = vm_new(en);

	if (!vm)
		return NULL;
	vm_read_record(vm, r, cfg);
	vm_life(vm)->has_file = r->state == VM_ASLEEP;
	return vm;
}

struct reading {
	struct engine *en;
	struct vm *chain;
};

static int keep(void *arg, const struct vm_record *r, struct vm_config *cfg)
{
	struct reading *g = arg;
	struct vm *vm = vm_of_record(g->en, r, cfg);

	if (!vm)
		return -ENOMEM;
	vm_chain(&g->chain, vm);
	return 0;
}

int vms_recorded(struct engine *en, void (*fn)(struct vm *vm), struct err *e)
{
	struct reading g = {.en = en};
	int rc = registry_load(engine_registry(en), keep, &g, e);
	struct vm *vm;

	while ((vm = vm_unchain(&g.chain)) != NULL) {
		if (rc == 0)
			fn(vm);
		else
			vm_free(vm);
	}
	return rc;
}
