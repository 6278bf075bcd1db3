/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as objects: a new one, one of a record, and the end of both. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/events.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/records.h"
#include "split-toolstack/engine/vm/vms.h"

/* --- what its devices tell --- */

static void raise_event(struct device_set *s, enum life_event ev)
{
	const struct life_news n = {0};

	(void)life_event((struct vm *)(void *)((char *)s - offsetof(struct vm, devices)), ev, &n);
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

static const struct device_set_ops device_set_ops = {
	.changed = devices_changed, .failed = devices_failed, .gone = devices_gone};

/* --- a new one, and its end --- */

struct vm *vm_new(struct engine *en)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->en = en;
	vm->exit_code = -1;
	vm->devices.ops = &device_set_ops;
	vm_config_init(&vm->cfg);
	dom_init(&vm->dom);
	guest_init(&vm->guest_part, vm, engine_settings(en)->console_log_kib);
	vm->guest = &vm->guest_part;
	return vm;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	life_timer_stop(vm);
	teardown_wait_end(vm->en, &vm->teardown_wait);
	reservations_drop(vm);
	dom_release(&vm->dom);
	image_put(vm->img);
	files_drop(&vm->files);
	vm_config_clear(&vm->cfg);
	guest_end(vm->guest);
	free(vm);
}

/* --- of a record --- */

/* What a record says that has no word on it. */
static enum vm_want guess_want(enum vm_state recorded, bool restarted)
{
	if (recorded == VM_ENDED || (recorded == VM_BUILDING && !restarted))
		return WANT_GONE;
	return recorded == VM_PAUSED ? WANT_PAUSED : WANT_RUN;
}

struct vm *vm_of_record(struct engine *en, const struct vm_record *r, struct vm_config *cfg)
{
	struct vm *vm = vm_new(en);

	if (!vm)
		return NULL;
	memcpy(vm->uuid, r->uuid, sizeof(vm->uuid));
	(void)snprintf(vm->name, sizeof(vm->name), "%s", r->name);
	vm->left.was = r->state;
	vm->left.domid = r->domid; /* adopt.c decides whether it is the VM's */
	vm->life.now = vm->left.was == VM_ENDED ? NOW_ENDED : NOW_UNKNOWN;
	vm->life.want = r->want ? r->want : guess_want(r->state, r->restarts > 0);
	vm->life.kept = vm->life.want != WANT_GONE;
	vm->life.has_file = r->state == VM_ASLEEP;
	vm->reason = r->reason;
	vm->exit_code = r->exit_code;
	vm->guest_port = r->guest_port;
	vm->store_port = r->store_port;
	vm->restarts = r->restarts;
	vm->noxs = r->noxs;
	vm->direct = r->direct;
	vm->ready = r->ready;
	vm->pages = r->pages;
	vm->dev_frame = r->dev_frame;
	vm->control_frame = r->control_frame;
	vm->created_ns = r->created_ns;
	vm->started_ns = r->started_ns;
	vm->ended_ns = r->ended_ns;
	vm->cfg = *cfg;
	memcpy(vm->cfg.uuid, r->uuid, sizeof(vm->cfg.uuid));
	vm_config_init(cfg);
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
