/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists and tables of living and ended VMs, and their observers. */
#include "split-toolstack/engine/vm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/uuid.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vms-t.h"
#include "split-toolstack/engine/vm/vms.h"

/* --- all of them --- */

int vms_open(struct engine *en, const struct life_cell (*table)[LIFE_EVENTS], struct err *e)
{
	struct vms *all = calloc(1, sizeof(*all));

	if (!all)
		return err_set(e, ENOMEM, "out of memory");
	all->life = table;
	all->alive_tail = &all->alive;
	engine_set_vms(en, all);
	return 0;
}

void vms_close(struct engine *en)
{
	free(engine_vms(en));
	engine_set_vms(en, NULL);
}

void vms_unhash(struct engine *en)
{
	struct vms *all = engine_vms(en);

	HASH_CLEAR(links.by_name, all->by_name);
	HASH_CLEAR(links.by_uuid, all->by_uuid);
	HASH_CLEAR(links.by_domid, all->by_domid);
}

struct vm *vms_take_alive(struct engine *en)
{
	struct vm *vm = engine_vms(en)->alive;

	if (vm)
		vm_unlink(vm);
	return vm;
}

struct vm *vms_take_ended(struct engine *en)
{
	struct vm *vm = engine_vms(en)->ended;

	if (vm)
		vm_unlink_ended(vm);
	return vm;
}

/* --- lists --- */

void vm_unlink(struct vm *vm)
{
	struct vms *all = engine_vms(vm->en);

	if (!vm->links.prev)
		return;
	for (struct vm_cursor *c = all->cursors; c; c = c->next)
		if (c->vm == vm)
			c->vm = vm->links.next;
	*vm->links.prev = vm->links.next;
	if (vm->links.next)
		vm->links.next->links.prev = vm->links.prev;
	else if (all->alive_tail == &vm->links.next)
		all->alive_tail = vm->links.prev;
	vm->links.next = NULL;
	vm->links.prev = NULL;
}

void vm_link_alive(struct vm *vm)
{
	struct vms *all = engine_vms(vm->en);

	vm->links.next = NULL;
	vm->links.prev = all->alive_tail;
	*all->alive_tail = vm;
	all->alive_tail = &vm->links.next;
	HASH_ADD(links.by_name, all->by_name, name[0], strlen(vm->name), vm);
	HASH_ADD(links.by_uuid, all->by_uuid, uuid[0], sizeof(vm->uuid), vm);
	vm->links.since = ++all->moves;
}

void vm_set_domid(struct vm *vm, uint32_t id)
{
	struct vms *all = engine_vms(vm->en);

	if (vm->domid)
		HASH_DELETE(links.by_domid, all->by_domid, vm);
	vm->domid = id;
	vm->dom.domid = id; /* also of one that was adopted; none when there is none any more */
	memcpy(vm->dom.uuid, vm->uuid, sizeof(vm->uuid));
	if (id)
		HASH_ADD(links.by_domid, all->by_domid, domid, sizeof(vm->domid), vm);
}

void vm_set_name(struct vm *vm, const char *name)
{
	struct vms *all = engine_vms(vm->en);

	HASH_DELETE(links.by_name, all->by_name, vm);
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
	memcpy(vm->cfg.name, vm->name, sizeof(vm->name));
	HASH_ADD(links.by_name, all->by_name, name[0], strlen(vm->name), vm);
}

void vm_set_uuid(struct vm *vm, const uint8_t uuid[16])
{
	struct vms *all = engine_vms(vm->en);

	HASH_DELETE(links.by_uuid, all->by_uuid, vm);
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	memcpy(vm->cfg.uuid, uuid, sizeof(vm->uuid));
	HASH_ADD(links.by_uuid, all->by_uuid, uuid[0], sizeof(vm->uuid), vm);
}

void vm_unhash(struct vm *vm)
{
	struct vms *all = engine_vms(vm->en);

	HASH_DELETE(links.by_name, all->by_name, vm);
	HASH_DELETE(links.by_uuid, all->by_uuid, vm);
}

void vm_link_ended(struct vm *vm)
{
	struct vms *all = engine_vms(vm->en);
	struct vm **at = &all->ended;

	while (*at && (*at)->ended_ns > vm->ended_ns)
		at = &(*at)->links.next;
	vm->links.next = *at;
	vm->links.prev = at;
	if (vm->links.next)
		vm->links.next->links.prev = &vm->links.next;
	*at = vm;
	all->nended++;
	vm->links.since = ++all->moves;
}

void vm_unlink_ended(struct vm *vm)
{
	engine_vms(vm->en)->nended--;
	vm_unlink(vm);
}

/* --- cursors --- */

void vm_cursor_open(struct vm_cursor *c, struct engine *en)
{
	struct vms *all = engine_vms(en);
	c->en = en;
	c->vm = NULL;
	c->opened = all->moves;
	DL_APPEND(all->cursors, c);
}

void vm_cursor_begin(struct vm_cursor *c, struct vm *first)
{
	c->vm = first;
}

/* A VM that was added since is not included, and one that has ended since is not reported twice. */
struct vm *vm_cursor_next(struct vm_cursor *c)
{
	struct vm *vm;

	do {
		vm = c->vm;
		if (vm)
			c->vm = vm->links.next;
	} while (vm && vm->links.since > c->opened);
	return vm;
}

void vm_cursor_close(struct vm_cursor *c)
{
	DL_DELETE(engine_vms(c->en)->cursors, c);
}

/* --- name and uuid --- */

int vm_identify(struct vm *vm, struct err *e)
{
	const struct vm *other = NULL;
	int rc = 0;

	if (vm->cfg.have_uuid)
		memcpy(vm->uuid, vm->cfg.uuid, sizeof(vm->uuid));
	else
		rc = uuid_random(vm->uuid, e);
	if (rc < 0)
		return rc;
	if (vm->cfg.have_uuid)
		other = vm_by_uuid(vm->en, vm->uuid);
	if (other)
		return err_set(e, EEXIST, "uuid: taken by \"%s\"; leave it out or destroy that one",
			       other->name);
	memcpy(vm->cfg.uuid, vm->uuid, sizeof(vm->uuid));
	if (vm->cfg.name[0] == '\0')
		(void)snprintf(vm->cfg.name, sizeof(vm->cfg.name), "vm-%02x%02x%02x%02x",
			       vm->uuid[0], vm->uuid[1], vm->uuid[2], vm->uuid[3]);
	memcpy(vm->name, vm->cfg.name, sizeof(vm->name));
	other = vm_by_name(vm->en, vm->name);
	if (other && vm_state(other) == VM_ASLEEP)
		return err_set(e, EEXIST,
			       "name \"%s\": taken by a VM that is asleep; choose another or "
			       "destroy that one",
			       vm->name);
	if (other)
		return err_set(
			e, EEXIST,
			"name \"%s\": taken by domain %u; choose another or destroy that one",
			vm->name, other->domid);
	return 0;
}

/* --- finding --- */

static struct vm *ended_by_name(struct engine *en, const char *name)
{
	struct vm *vm = engine_vms(en)->ended;

	while (vm && strcmp(vm->name, name) != 0)
		vm = vm->links.next;
	return vm;
}

struct vm *vm_ended_by_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct vm *vm = engine_vms(en)->ended;

	while (vm && memcmp(vm->uuid, uuid, sizeof(vm->uuid)) != 0)
		vm = vm->links.next;
	return vm;
}

struct vm *engine_find_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct vm *vm = NULL;

	vm = vm_by_uuid(en, uuid);
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

			vm = vm_by_domid(en, id);
			return vm;
		}
	}
	vm = vm_by_name(en, what);
	return vm ? vm : ended_by_name(en, what);
}

/* --- telling --- */

const char *vm_state_name(enum vm_state s)
{
	static const char *const name[] = {"building", "running", "paused", "preserved", "ended",
					   "unknown",  "saving",  "moving", "asleep"};

	return name[s];
}

const char *vm_reason_name(enum vm_reason r)
{
	static const char *const name[] = {"none",  "poweroff", "reboot",    "suspend",
					   "crash", "watchdog", "destroyed", "lost",
					   "saved", "migrated"};

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

void vm_unsee(struct vm *vm)
{
	vm->last.pause = PAUSE_UNSEEN;
}

const char *vm_event_name(enum vm_event ev)
{
	static const char *const name[] = {
		"created",   "started",	  "ready",   "paused",	"unpaused", "renamed", "exited",
		"preserved", "destroyed", "removed", "console", "pool-low", "saving",  "asleep"};

	return name[ev];
}

struct engine_observer *vms_observers(const struct engine *en)
{
	return engine_vms(en)->observers;
}

void vms_announce_low(struct engine *en, const struct pool_flavor *f)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = vms_observers(en); ob; ob = next) {
		next = ob->next;
		ob->fn(ob, VM_EV_POOL_LOW, NULL, f);
	}
}

void engine_observe(struct engine *en, struct engine_observer *ob)
{
	struct vms *all = engine_vms(en);
	ob->next = all->observers;
	ob->prev = &all->observers;
	if (ob->next)
		ob->next->prev = &ob->next;
	all->observers = ob;
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

void vm_announce_console(struct vm *vm)
{
	vm_announce(vm, VM_EV_CONSOLE);
}
