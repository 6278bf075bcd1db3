/* SPDX-License-Identifier: BSD-3-Clause */
/* What is on the way of each create and destroy, so it is inline: finding VMs in the lists and
 * tables, raising events of their lives, telling of them. */
#ifndef CHAOS_VM_VMS_H
#define CHAOS_VM_VMS_H

#include <string.h>

#include "base/clock.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/vm/vm-t.h"

/* Of the living; NULL: there is none. */
static inline struct vm *vm_by_name(const struct engine *in, const char *name)
{
	struct vm *vm = NULL;

	HASH_FIND(links.by_name, in->vms.by_name, name, strlen(name), vm);
	return vm;
}

static inline struct vm *vm_by_uuid(const struct engine *in, const uint8_t uuid[16])
{
	struct vm *vm = NULL;

	HASH_FIND(links.by_uuid, in->vms.by_uuid, uuid, 16, vm);
	return vm;
}

static inline struct vm *vm_by_domid(const struct engine *in, uint32_t domid)
{
	struct vm *vm = NULL;

	HASH_FIND(links.by_domid, in->vms.by_domid, &domid, sizeof(domid), vm);
	return vm;
}

/* The living from the oldest on, the ended from the newest on; vm_next() goes on. */
static inline struct vm *vms_alive(const struct engine *in)
{
	return in->vms.alive;
}

static inline struct vm *vms_ended(const struct engine *in)
{
	return in->vms.ended;
}

static inline struct vm *vm_next(const struct vm *vm)
{
	return vm->links.next;
}

/* Of one in VM_UNKNOWN: why it was not taken over yet. */
static inline const char *vm_why_unknown(const struct vm *vm)
{
	return vm->left.why;
}

static inline bool vm_is_listed(const struct vm *vm)
{
	return vm->links.prev != NULL;
}

/* VMs that are in no list yet, one behind the other. */
static inline void vm_chain(struct vm **first, struct vm *vm)
{
	vm->links.next = *first;
	*first = vm;
}

/* The first of them; NULL: that was all. */
static inline struct vm *vm_unchain(struct vm **first)
{
	struct vm *vm = *first;

	if (vm)
		*first = vm->links.next;
	if (vm)
		vm->links.next = NULL;
	return vm;
}

static inline uint32_t vms_count(const struct engine *in)
{
	return HASH_CNT(links.by_name, in->vms.by_name);
}

static inline uint32_t vms_ended_count(const struct engine *in)
{
	return in->vms.nended;
}

/* Does what the table of life says; the VM may be freed afterwards. */
static inline int life_event(struct vm *vm, enum life_event ev, const struct life_news *n)
{
	const struct life_cell *c = &vm->en->vms.life[vm->life.now][ev];

	return c->fn ? c->fn(vm, n) : life_impossible(vm, ev);
}

/* Tells the observers. */
static inline void vm_announce(struct vm *vm, enum vm_event ev)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = vm->en->vms.observers; ob; ob = next) {
		next = ob->next;
		ob->fn(ob, ev, vm, NULL);
	}
}

/* Answers its create, once. */
static inline void vm_create_done(struct vm *vm, int rc, const struct err *e)
{
	vm_create_fn *fn = vm->create.fn;

	vm->create.fn = NULL;
	vm->t.total_ns = (uint32_t)(clock_ns() - vm->create.start_ns);
	if (fn)
		fn(vm->create.arg, rc, rc < 0 ? NULL : vm, &vm->t, e);
}

#endif
