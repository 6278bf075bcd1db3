/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of guests: pages, channels and grants. */
#include "split-toolstack/engine/guest/fork.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

#include "noxs/page.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

_Static_assert(DOM_RING_GREF + DOM_RINGS_MAX <= NOXS_FORK_GRANT, "rings and channels");
_Static_assert(NOXS_FORK_GRANT + NOXS_CHILDREN_MAX * NOXS_FORK_PAGES <= NOXS_GRANT_FIRST,
	       "channels and the guest's own");

/* --- what is there --- */

bool fork_is_wanted(const struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	return vm_has_noxs(vm) && g->con.page && noxs_control_fork_seq(&g->con) != g->fork.seen;
}

bool fork_is_still(const struct vm *vm)
{
	return vm_guest(vm)->still || !vm_map(vm);
}

void fork_request(const struct vm *vm, struct noxs_fork_request *out)
{
	noxs_control_fork(&vm_guest(vm)->con, out);
}

uint32_t fork_children(const struct vm *vm)
{
	uint32_t n = 0;

	for (const struct guest *c = vm_guest(vm)->fork.child; c; c = c->fork.sibling_next)
		n++;
	return n;
}

struct vm *fork_child_of_number(const struct vm *vm, uint32_t number)
{
	const struct guest *c = vm_guest(vm)->fork.child;

	while (c && vm_cfg(c->vm)->child.number != number)
		c = c->fork.sibling_next;
	return c ? c->vm : NULL;
}

struct vm *fork_child_in_slot(const struct vm *vm, uint32_t slot)
{
	const struct guest *c = vm_guest(vm)->fork.child;

	while (c && vm_cfg(c->vm)->child.slot != slot)
		c = c->fork.sibling_next;
	return c ? c->vm : NULL;
}

static void join(struct guest *child, struct guest *parent)
{
	child->fork.parent = parent;
	DL_APPEND2(parent->fork.child, child, fork.sibling_prev, fork.sibling_next);
}

static void part(struct guest *child)
{
	struct guest *parent = child->fork.parent;

	if (!parent)
		return;
	child->fork.parent = NULL;
	DL_DELETE2(parent->fork.child, child, fork.sibling_prev, fork.sibling_next);
}

/* --- grants of the parent --- */

static uint32_t gref(uint32_t slot)
{
	return NOXS_FORK_GRANT + slot * NOXS_FORK_PAGES;
}

static int need_grants(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	return g->fork.grants
		       ? 0
		       : xen_grants_map(engine_xen(vm_engine(vm)), vm_domid(vm), &g->fork.grants);
}

/* True: nothing of the slot is mapped any more. */
static bool take_back(const struct vm *parent, uint32_t slot)
{
	bool is_free = true;

	for (uint32_t i = 0; i < NOXS_FORK_PAGES; i++)
		is_free = xen_grant_take_back(vm_guest(parent)->fork.grants, gref(slot) + i) &&
			  is_free;
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
	struct vm_child *c = &vm_change_cfg(child)->child;
	struct vm *parent = vm_by_uuid(vm_engine(child), c->parent);
	int rc;

	*words = (struct noxs_fork){0};
	if (!parent || !vm_map(parent) || !vm_guest(parent)->fork.grants)
		return err_set(e, ESRCH, "\"%s\": its parent has ended", vm_name(child));
	rc = xen_evtchn_alloc(engine_xen(vm_engine(child)), vm_domid(child), vm_domid(parent),
			      &c->port);
	if (rc < 0)
		return err_sys(e, -rc, "channel of \"%s\" to its parent", vm_name(child));
	join(vm_guest(child), vm_guest(parent));
	while (words->pages < NOXS_FORK_PAGES && c->frame[words->pages]) {
		xen_grant_give(vm_guest(parent)->fork.grants, gref(c->slot) + words->pages,
			       vm_domid(child), c->frame[words->pages]);
		words->pages++;
	}
	words->seq = words->self = c->number;
	words->gref = (uint16_t)gref(c->slot);
	words->evtchn =
		(struct noxs_evtchn){.local_port = c->port, .remote_domid = vm_domid(parent)};
	return 0;
}

static void notify(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	if (g->port) /* else it is unheard, and looks by itself */
		(void)xen_evtchn_notify(engine_xen(vm_engine(vm)), g->port);
}

void fork_answer(struct vm *vm, uint32_t seq, const struct vm *child, int error)
{
	struct noxs_evtchn to = {0};

	vm_guest(vm)->fork.seen = seq;
	if (child)
		to = (struct noxs_evtchn){.remote_port = vm_cfg(child)->child.port,
					  .remote_domid = vm_domid(child)};
	noxs_page_answer_fork(vm_map(vm), seq, child ? (int32_t)vm_cfg(child)->child.number : error,
			      child ? vm_cfg(child)->child.slot : 0, &to);
	notify(vm);
}

/* --- the end --- */

static struct noxs_child ended(const struct vm *child)
{
	int exit_code;
	bool code = vm_reason(child, &exit_code) == VM_REASON_POWEROFF && exit_code >= 0;

	return (struct noxs_child){
		.number = (uint16_t)vm_cfg(child)->child.number,
		.status = (uint16_t)(NOXS_CHILD_ENDED |
				     (code ? (uint32_t)exit_code & NOXS_CHILD_EXIT_CODE
					   : NOXS_CHILD_ABNORMAL))};
}

void fork_tell_end(const struct vm *child)
{
	const struct guest *parent = vm_guest(child)->fork.parent;

	if (!parent || !vm_map(parent->vm))
		return;
	noxs_page_child(vm_map(parent->vm), vm_cfg(child)->child.slot, ended(child));
	notify(parent->vm);
}

void fork_make_orphan(struct vm *child)
{
	struct guests *all = engine_guests(vm_engine(child));
	struct guest *g = vm_guest(child);

	g->fork.orphan = true;
	DL_APPEND2(all->orphans, g, fork.sibling_prev, fork.sibling_next);
	all->ops->orphaned(vm_engine(child));
}

static void unlist_orphan(struct guest *g)
{
	g->fork.orphan = false;
	DL_DELETE2(engine_guests(vm_engine(g->vm))->orphans, g, fork.sibling_prev,
		   fork.sibling_next);
}

void fork_close(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	struct fork_end *f = &g->fork;

	engine_guests(vm_engine(vm))->ops->fork_over(vm);
	if (f->parent) {
		if (f->parent->fork.grants)
			(void)take_back(f->parent->vm, vm_cfg(vm)->child.slot);
		part(g);
	}
	if (f->orphan)
		unlist_orphan(g);
	while (f->child) {
		struct guest *child = f->child;

		part(child);
		fork_make_orphan(child->vm);
	}
	xen_grants_unmap(engine_xen(vm_engine(vm)), f->grants);
	f->grants = NULL;
}

void fork_leave(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	struct fork_end *f = &g->fork;

	engine_guests(vm_engine(vm))->ops->fork_over(vm);
	if (f->parent)
		part(g);
	while (f->child)
		part(f->child);
	if (f->orphan)
		unlist_orphan(g);
	xen_grants_unmap(engine_xen(vm_engine(vm)), f->grants);
	f->grants = NULL;
}

struct vm *fork_next_orphan(struct engine *en)
{
	struct guest *g = engine_guests(en)->orphans;

	if (!g)
		return NULL;
	unlist_orphan(g);
	return g->vm;
}

/* --- after a restart of this daemon, or of the guest elsewhere --- */

void fork_begin_new(struct vm *vm)
{
	vm_guest(vm)->fork.seen = 0;
}

void fork_begin_saved(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	g->fork.seen = noxs_control_fork_seq(&g->con);
}

void fork_begin_adopted(struct vm *vm)
{
	vm_guest(vm)->fork.seen = noxs_page_answered(vm_map(vm));
}

static void adopt_child(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	struct vm *parent;

	if (!vm_cfg(vm)->child.number || g->fork.parent || g->fork.orphan)
		return;
	parent = vm_by_uuid(vm_engine(vm), vm_cfg(vm)->child.parent);
	if (parent && vm_domid(parent))
		join(g, vm_guest(parent));
	else
		fork_make_orphan(vm);
}

/* The last child with that number in the slot that has ended; without a record it has no exit
 * code. */
static struct noxs_child find_ended(const struct vm *parent, uint32_t slot, uint16_t number)
{
	for (const struct vm *c = vms_ended(vm_engine(parent)); c; c = vm_next(c))
		if (vm_cfg(c)->child.slot == slot && (uint16_t)vm_cfg(c)->child.number == number &&
		    vm_cfg(c)->child.number &&
		    memcmp(vm_cfg(c)->child.parent, vm_uuid_bytes(parent), 16) == 0)
			return ended(c);
	return (struct noxs_child){number, NOXS_CHILD_ENDED | NOXS_CHILD_ABNORMAL};
}

static void adopt_parent(struct vm *vm)
{
	bool told = false;

	if (!vm_has_noxs(vm) || !vm_map(vm) || !vm_cfg(vm)->fork || vm_guest(vm)->fork.grants ||
	    need_grants(vm) < 0)
		return;
	for (uint32_t slot = 0; slot < NOXS_CHILDREN_MAX; slot++) {
		struct noxs_child shown = noxs_page_child_shown(vm_map(vm), slot);

		if (fork_child_in_slot(vm, slot))
			continue;
		(void)take_back(vm, slot);
		if (!shown.number || shown.status)
			continue;
		noxs_page_child(vm_map(vm), slot, find_ended(vm, slot, shown.number));
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
			engine_guests(en)->ops->fork(vm);
	}
}
