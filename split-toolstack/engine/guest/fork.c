/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of guests: pages, channels and grants. */
#include "split-toolstack/engine/guest/fork.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

#include "noxs/page.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vms.h"

_Static_assert(DOM_RING_GREF + DOM_RINGS_MAX <= NOXS_FORK_GRANT, "rings and channels");
_Static_assert(NOXS_FORK_GRANT + NOXS_CHILDREN_MAX * NOXS_FORK_PAGES <= NOXS_GRANT_FIRST,
	       "channels and the guest's own");

/* --- what is there --- */

bool fork_is_wanted(const struct vm *vm)
{
	return vm->noxs && vm->guest.con.page &&
	       noxs_control_fork_seq(&vm->guest.con) != vm->guest.fork.seen;
}

bool fork_is_still(const struct vm *vm)
{
	return vm->guest.still || !vm->map;
}

void fork_request(const struct vm *vm, struct noxs_fork_request *out)
{
	noxs_control_fork(&vm->guest.con, out);
}

uint32_t fork_children(const struct vm *vm)
{
	uint32_t n = 0;

	for (const struct vm *c = vm->guest.fork.child; c; c = c->guest.fork.sibling_next)
		n++;
	return n;
}

struct vm *fork_child_of_number(const struct vm *vm, uint32_t number)
{
	struct vm *c = vm->guest.fork.child;

	while (c && c->cfg.child.number != number)
		c = c->guest.fork.sibling_next;
	return c;
}

struct vm *fork_child_in_slot(const struct vm *vm, uint32_t slot)
{
	struct vm *c = vm->guest.fork.child;

	while (c && c->cfg.child.slot != slot)
		c = c->guest.fork.sibling_next;
	return c;
}

static void join(struct vm *child, struct vm *parent)
{
	child->guest.fork.parent = parent;
	DL_APPEND2(parent->guest.fork.child, child, guest.fork.sibling_prev,
		   guest.fork.sibling_next);
}

static void part(struct vm *child)
{
	struct vm *parent = child->guest.fork.parent;

	if (!parent)
		return;
	child->guest.fork.parent = NULL;
	DL_DELETE2(parent->guest.fork.child, child, guest.fork.sibling_prev,
		   guest.fork.sibling_next);
}

/* --- grants of the parent --- */

static uint32_t gref(uint32_t slot)
{
	return NOXS_FORK_GRANT + slot * NOXS_FORK_PAGES;
}

static int need_grants(struct vm *vm)
{
	return vm->guest.fork.grants ? 0
				     : xen_grants_map(vm->en->x, vm->domid, &vm->guest.fork.grants);
}

/* True: nothing of the slot is mapped any more. */
static bool take_back(const struct vm *parent, uint32_t slot)
{
	bool is_free = true;

	for (uint32_t i = 0; i < NOXS_FORK_PAGES; i++)
		is_free = xen_grant_take_back(parent->guest.fork.grants, gref(slot) + i) && is_free;
	return is_free;
}

int fork_slot_check(struct vm *vm, uint32_t slot)
{
	int rc = need_grants(vm);

	if (rc < 0)
		return rc;
	return take_back(vm, slot) ? 0 : -EBUSY;
}

/* --- the channel --- */

int fork_connect(struct vm *child, struct noxs_fork *words, struct err *e)
{
	struct vm_child *c = &child->cfg.child;
	struct vm *parent = vm_by_uuid(child->en, c->parent);
	int rc;

	*words = (struct noxs_fork){0};
	if (!parent || !parent->map || !parent->guest.fork.grants)
		return err_set(e, ESRCH, "\"%s\": its parent has ended", child->name);
	rc = xen_evtchn_alloc(child->en->x, child->domid, parent->domid, &c->port);
	if (rc < 0)
		return err_sys(e, -rc, "channel of \"%s\" to its parent", child->name);
	join(child, parent);
	while (words->pages < NOXS_FORK_PAGES && c->frame[words->pages]) {
		xen_grant_give(parent->guest.fork.grants, gref(c->slot) + words->pages,
			       child->domid, c->frame[words->pages]);
		words->pages++;
	}
	words->seq = words->self = c->number;
	words->gref = (uint16_t)gref(c->slot);
	words->evtchn = (struct noxs_evtchn){.local_port = c->port, .remote_domid = parent->domid};
	return 0;
}

static void notify(struct vm *vm)
{
	if (vm->guest.port) /* else it is unheard, and looks by itself */
		(void)xen_evtchn_notify(vm->en->x, vm->guest.port);
}

void fork_answer(struct vm *vm, uint32_t seq, const struct vm *child, int error)
{
	struct noxs_evtchn to = {0};

	vm->guest.fork.seen = seq;
	if (child)
		to = (struct noxs_evtchn){.remote_port = child->cfg.child.port,
					  .remote_domid = child->domid};
	noxs_page_answer_fork(vm->map, seq, child ? (int32_t)child->cfg.child.number : error,
			      child ? child->cfg.child.slot : 0, &to);
	notify(vm);
}

/* --- the end --- */

static struct noxs_child ended(const struct vm *child)
{
	bool code = child->reason == VM_REASON_POWEROFF && child->exit_code >= 0;

	return (struct noxs_child){
		.number = (uint16_t)child->cfg.child.number,
		.status = (uint16_t)(NOXS_CHILD_ENDED |
				     (code ? (uint32_t)child->exit_code & NOXS_CHILD_EXIT_CODE
					   : NOXS_CHILD_ABNORMAL))};
}

void fork_tell_end(const struct vm *child)
{
	struct vm *parent = child->guest.fork.parent;

	if (!parent || !parent->map)
		return;
	noxs_page_child(parent->map, child->cfg.child.slot, ended(child));
	notify(parent);
}

void fork_make_orphan(struct vm *child)
{
	child->guest.fork.orphan = true;
	DL_APPEND2(child->en->guests.orphans, child, guest.fork.sibling_prev,
		   guest.fork.sibling_next);
	child->en->guests.ops->orphaned(child->en);
}

static void unlist_orphan(struct vm *vm)
{
	vm->guest.fork.orphan = false;
	DL_DELETE2(vm->en->guests.orphans, vm, guest.fork.sibling_prev, guest.fork.sibling_next);
}

void fork_close(struct vm *vm)
{
	struct fork_end *f = &vm->guest.fork;

	vm->en->guests.ops->fork_over(vm);
	if (f->parent) {
		if (f->parent->guest.fork.grants)
			(void)take_back(f->parent, vm->cfg.child.slot);
		part(vm);
	}
	if (f->orphan)
		unlist_orphan(vm);
	while (f->child) {
		struct vm *child = f->child;

		part(child);
		fork_make_orphan(child);
	}
	xen_grants_unmap(vm->en->x, f->grants);
	f->grants = NULL;
}

void fork_leave(struct vm *vm)
{
	struct fork_end *f = &vm->guest.fork;

	vm->en->guests.ops->fork_over(vm);
	if (f->parent)
		part(vm);
	while (f->child)
		part(f->child);
	if (f->orphan)
		unlist_orphan(vm);
	xen_grants_unmap(vm->en->x, f->grants);
	f->grants = NULL;
}

struct vm *fork_next_orphan(struct engine *en)
{
	struct vm *vm = en->guests.orphans;

	if (vm)
		unlist_orphan(vm);
	return vm;
}

/* --- after a restart of this daemon, or of the guest elsewhere --- */

void fork_begin_new(struct vm *vm)
{
	vm->guest.fork.seen = 0;
}

void fork_begin_saved(struct vm *vm)
{
	vm->guest.fork.seen = noxs_control_fork_seq(&vm->guest.con);
}

void fork_begin_adopted(struct vm *vm)
{
	vm->guest.fork.seen = noxs_page_answered(vm->map);
}

static void adopt_child(struct vm *vm)
{
	struct vm *parent;

	if (!vm->cfg.child.number || vm->guest.fork.parent || vm->guest.fork.orphan)
		return;
	parent = vm_by_uuid(vm->en, vm->cfg.child.parent);
	if (parent && parent->domid)
		join(vm, parent);
	else
		fork_make_orphan(vm);
}

/* Of the youngest that has ended and was the number in the slot; what is not known is no code. */
static struct noxs_child find_ended(const struct vm *parent, uint32_t slot, uint16_t number)
{
	for (const struct vm *c = vms_ended(parent->en); c; c = vm_next(c))
		if (c->cfg.child.slot == slot && (uint16_t)c->cfg.child.number == number &&
		    c->cfg.child.number &&
		    memcmp(c->cfg.child.parent, parent->uuid, sizeof(parent->uuid)) == 0)
			return ended(c);
	return (struct noxs_child){number, NOXS_CHILD_ENDED | NOXS_CHILD_ABNORMAL};
}

static void adopt_parent(struct vm *vm)
{
	bool told = false;

	if (!vm->noxs || !vm->map || !vm->cfg.fork || vm->guest.fork.grants || need_grants(vm) < 0)
		return;
	for (uint32_t slot = 0; slot < NOXS_CHILDREN_MAX; slot++) {
		struct noxs_child shown = noxs_page_child_shown(vm->map, slot);

		if (fork_child_in_slot(vm, slot))
			continue;
		(void)take_back(vm, slot);
		if (!shown.number || shown.status)
			continue;
		noxs_page_child(vm->map, slot, find_ended(vm, slot, shown.number));
		told = true;
	}
	if (told)
		notify(vm);
}

void fork_adopt(struct engine *en)
{
	for (struct vm *vm = vms_alive(en); vm; vm = vm_next(vm))
		adopt_child(vm);
	for (struct vm *vm = vms_alive(en); vm; vm = vm_next(vm)) {
		adopt_parent(vm);
		if (fork_is_wanted(vm))
			en->guests.ops->fork(vm);
	}
}
