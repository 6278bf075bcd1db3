/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists and tables of VMs: the living and the ended, finding, telling. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "split-toolstack/engine/private.h"

/* --- lists --- */

void vm_unlink(struct vm *vm)
{
	struct engine *en = vm->en;

	if (!vm->prev)
		return;
	for (struct vm_cursor *c = en->cursors; c; c = c->next)
		if (c->vm == vm)
			c->vm = vm->next;
	*vm->prev = vm->next;
	if (vm->next)
		vm->next->prev = vm->prev;
	else if (en->alive_tail == &vm->next)
		en->alive_tail = vm->prev;
	vm->next = NULL;
	vm->prev = NULL;
}

void vm_link_alive(struct vm *vm)
{
	struct engine *en = vm->en;

	vm->next = NULL;
	vm->prev = en->alive_tail;
	*en->alive_tail = vm;
	en->alive_tail = &vm->next;
	HASH_ADD(by_name, en->names, name[0], strlen(vm->name), vm);
	HASH_ADD(by_uuid, en->uuids, uuid[0], sizeof(vm->uuid), vm);
	vm->since = ++en->moves;
}

void vm_set_domid(struct vm *vm, uint32_t id)
{
	struct engine *en = vm->en;

	if (vm->domid)
		HASH_DELETE(by_domid, en->domids, vm);
	vm->domid = id;
	vm->dom.domid = id; /* also of one that was adopted; none when there is none any more */
	memcpy(vm->dom.uuid, vm->uuid, sizeof(vm->uuid));
	if (id)
		HASH_ADD(by_domid, en->domids, domid, sizeof(vm->domid), vm);
}

void vm_unhash(struct vm *vm)
{
	HASH_DELETE(by_name, vm->en->names, vm);
	HASH_DELETE(by_uuid, vm->en->uuids, vm);
}

void vm_link_ended(struct vm *vm)
{
	struct engine *en = vm->en;
	struct vm **at = &en->ended;

	while (*at && (*at)->ended_ns > vm->ended_ns)
		at = &(*at)->next;
	vm->next = *at;
	vm->prev = at;
	if (vm->next)
		vm->next->prev = &vm->next;
	*at = vm;
	en->nended++;
	vm->since = ++en->moves;
}

/* --- finding --- */

static struct vm *ended_by_name(struct engine *en, const char *name)
{
	struct vm *vm = en->ended;

	while (vm && strcmp(vm->name, name) != 0)
		vm = vm->next;
	return vm;
}

struct vm *vm_ended_by_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct vm *vm = en->ended;

	while (vm && memcmp(vm->uuid, uuid, sizeof(vm->uuid)) != 0)
		vm = vm->next;
	return vm;
}

struct vm *engine_find_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct vm *vm = NULL;

	HASH_FIND(by_uuid, en->uuids, uuid, 16, vm);
	return vm ? vm : vm_ended_by_uuid(en, uuid);
}

struct vm *engine_find(struct engine *en, const char *what)
{
	struct vm *vm = NULL;
	uint8_t uuid[16];
	char *end = NULL;
	unsigned long number;

	if (uuid_read(what, uuid) == 0)
		return engine_find_uuid(en, uuid);
	if (*what >= '0' && *what <= '9') {
		number = strtoul(what, &end, 10);
		if (*end == '\0' && number < 0x8000) {
			uint32_t id = (uint32_t)number;

			HASH_FIND(by_domid, en->domids, &id, sizeof(id), vm);
			return vm;
		}
	}
	HASH_FIND(by_name, en->names, what, strlen(what), vm);
	return vm ? vm : ended_by_name(en, what);
}

/* --- telling --- */

const char *vm_state_name(enum vm_state s)
{
	static const char *const name[] = {"building",	"running", "paused",
					   "preserved", "ended",   "unknown"};

	return name[s];
}

const char *vm_reason_name(enum vm_reason r)
{
	static const char *const name[] = {"none",  "poweroff", "reboot",    "suspend",
					   "crash", "watchdog", "destroyed", "lost"};

	return name[r];
}

const char *vm_name(const struct vm *vm)
{
	return vm->name;
}

uint32_t vm_domid(const struct vm *vm)
{
	return vm->domid;
}

void vm_uuid(const struct vm *vm, uint8_t out[16])
{
	memcpy(out, vm->uuid, sizeof(vm->uuid));
}

enum vm_state vm_state(const struct vm *vm)
{
	return life_state(&vm->life);
}

enum vm_reason vm_reason(const struct vm *vm, int *exit_code)
{
	*exit_code = vm->exit_code;
	return vm->reason;
}

void vm_see(struct vm *vm, const struct xen_domain_info *info)
{
	vm->last.cpu_ns = info->cpu_ns;
	vm->last.online = info->vcpus;
	vm->last.pause = info->paused ? PAUSE_SEEN : PAUSE_NONE;
}

/* Other toolstacks pause and unpause our domains, too; Xen tells of that when it is asked. */
static enum vm_state shown_state(const struct vm *vm)
{
	if (vm->life.now == NOW_RUNNING && vm->last.pause == PAUSE_SEEN)
		return VM_PAUSED;
	if (vm->life.now == NOW_PAUSED && vm->last.pause == PAUSE_NONE)
		return VM_RUNNING;
	return life_state(&vm->life);
}

void vm_known_info(const struct vm *vm, struct vm_info *out)
{
	memset(out, 0, sizeof(*out));
	out->name = vm->name;
	memcpy(out->uuid, vm->uuid, sizeof(out->uuid));
	out->domid = vm->domid;
	out->state = shown_state(vm);
	out->reason = vm->reason;
	out->unknown = vm->life.now == NOW_UNKNOWN ? vm->left.why : NULL;
	out->exit_code = vm->exit_code;
	out->ready = vm->ready;
	out->noxs = vm->noxs;
	out->type = vm->cfg.type;
	out->mem_kib = vm->cfg.mem_kib;
	out->maxmem_kib = vm->cfg.maxmem_kib ? vm->cfg.maxmem_kib : vm->cfg.mem_kib;
	out->vcpus = vm->cfg.vcpus;
	out->maxvcpus = vm_config_vcpus(&vm->cfg);
	out->online = vm->domid ? vm->last.online : 0;
	out->cpus = &vm->cfg.cpus;
	out->kernel = vm->cfg.kernel;
	out->ramdisk = vm->cfg.ramdisk;
	out->cmdline = vm->cfg.cmdline;
	out->on_poweroff = vm->cfg.on_poweroff;
	out->on_reboot = vm->cfg.on_reboot;
	out->on_crash = vm->cfg.on_crash;
	out->created_ns = vm->created_ns;
	out->started_ns = vm->started_ns;
	out->ended_ns = vm->ended_ns;
	out->restarts = vm->restarts;
	out->console_bytes = vm->log.end;
	out->cpu_ns = vm->domid ? vm->last.cpu_ns : 0;
}

void vm_get_info(struct vm *vm, struct vm_info *out)
{
	struct xen_domain_info info;

	if (vm->domid && xen_domain_info(vm->en->x, vm->domid, &info) == 0)
		vm_see(vm, &info);
	vm_known_info(vm, out);
}

const char *vm_event_name(enum vm_event ev)
{
	static const char *const name[] = {"created",	"started", "ready",   "paused",
					   "unpaused",	"renamed", "exited",  "preserved",
					   "destroyed", "removed", "console", "pool-low"};

	return name[ev];
}

void vm_announce(struct vm *vm, enum vm_event ev)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = vm->en->observers; ob; ob = next) {
		next = ob->next;
		ob->fn(ob, ev, vm, NULL);
	}
}

void engine_observe(struct engine *en, struct engine_observer *ob)
{
	ob->next = en->observers;
	ob->prev = &en->observers;
	if (ob->next)
		ob->next->prev = &ob->next;
	en->observers = ob;
}

void engine_unobserve(struct engine_observer *ob)
{
	if (!ob->prev)
		return;
	*ob->prev = ob->next;
	if (ob->next)
		ob->next->prev = ob->prev;
	ob->next = NULL;
	ob->prev = NULL;
}

void vm_create_done(struct vm *vm, int rc, const struct err *e)
{
	vm_create_fn *fn = vm->create.fn;

	vm->create.fn = NULL;
	vm->t.total_ns = (uint32_t)(clock_ns() - vm->create.start_ns);
	if (fn)
		fn(vm->create.arg, rc, rc < 0 ? NULL : vm, &vm->t, e);
}
